"""Every runner there is, as a real process or a real server on loopback, behind the one Protocol."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support import llama_server, ollama
from tests.support.lora import write_lora

from laimark_sidecar.runners.embedded.client import EmbeddedRunner
from laimark_sidecar.runners.embedded.serve import serving
from laimark_sidecar.runners.embedded.settings import ServeSettings
from laimark_sidecar.runners.runner import Runner

TOKEN = "the-administrator"
PLAIN = {"repeat_penalty": 1.0}
"""Else Ollama makes repeated tokens less likely for all its clients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A runner that serves the base as `demo` and one adapter as `me:one`."""

    kind: str
    url: str
    runner: Runner


@pytest.fixture(scope="session")
def adapters(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("adapters")
    return tuple(write_lora(demo_gguf, folder / f"{seed}.gguf", seed=seed) for seed in range(5))


@contextmanager
def embedded(base: Path, one: Path, folder: Path) -> Iterator[Subject]:
    settings = ServeSettings(
        base_path=base,
        base_name="demo",
        port=0,
        token=TOKEN,
        threads=1,
        context=1024,
        adapters={"me:one": one},
        names={"base": ""},
    )
    with serving(settings) as url:
        yield Subject(kind="embedded", url=url, runner=EmbeddedRunner(url, TOKEN))


@contextmanager
def router(base: Path, one: Path, folder: Path) -> Iterator[Subject]:
    settings = llama_server.router_settings(folder, base)
    with llama_server.started(settings, {"me:one": one}):
        yield Subject(kind="llama-server", url=settings.url, runner=llama_server.runner(settings))


@contextmanager
def single(base: Path, one: Path, folder: Path) -> Iterator[Subject]:
    settings = llama_server.single_settings(folder, base)
    with llama_server.single_started(settings, {"me:one": one}):
        yield Subject(
            kind="llama-server-single", url=settings.url, runner=llama_server.single_runner(settings)
        )


@contextmanager
def ollama_stand_in(base: Path, one: Path, folder: Path, *, version: str) -> Iterator[Subject]:
    with ollama.started(folder / "ollama", version=version, context=1024) as server:
        ollama.install(server.url, "demo", base, parameters=PLAIN)
        runner = ollama.runner(server.url, "demo", folder, moving=("base", "me:latest"))
        runner.register("me:one", one)
        runner.point("base", "")
        yield Subject(kind=f"ollama {version}", url=server.url, runner=runner)


@contextmanager
def ollama_of_this_machine(base: Path, one: Path, folder: Path) -> Iterator[Subject]:
    url = ollama.live_url()
    runner = ollama.runner(url, "demo", folder, moving=("base", "me:latest", "me:lost"))
    with ollama.lent(url, names=("demo", "base", "me")):
        ollama.install(url, "demo", base, template=ollama.DEMO_TEMPLATE, parameters=PLAIN | {"num_ctx": 1024})
        runner.register("me:one", one)
        runner.point("base", "")
        yield Subject(kind="ollama", url=url, runner=runner)


Starter = Callable[[Path, Path, Path], AbstractContextManager[Subject]]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(embedded, id="embedded"),
        pytest.param(router, id="llama-server", marks=llama_server.needs_llama_server),
        pytest.param(single, id="llama-server-single", marks=llama_server.needs_llama_server),
        *(
            pytest.param(functools.partial(ollama_stand_in, version=version), id=f"ollama-{version}")
            for version in ("0.33.0", "0.34.1")
        ),
        pytest.param(ollama_of_this_machine, id="ollama-live", marks=[pytest.mark.live, ollama.needs_live]),
    ],
)
def subject(
    request: pytest.FixtureRequest,
    demo_gguf: Path,
    adapters: tuple[Path, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Subject]:
    start: Starter = request.param
    with start(demo_gguf, adapters[0], tmp_path_factory.mktemp("runner")) as running:
        yield running
