"""Ollama stand-ins of each generation, with the demo base in them under the name of a base that a user pulled."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.lora import write_lora
from tests.support.ollama import Server, install, started
from tests.support.ollama import runner as runner_of

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.llamacpp.template import REFERENCE_CLOCK, ChatTemplate
from laimark_sidecar.runners.embedded.generation import Delta, generate
from laimark_sidecar.runners.embedded.sampling import Sampling
from laimark_sidecar.runners.ollama.runner import OllamaRunner
from laimark_sidecar.runners.runner import Runner

BASE = "demo-base"
GENERATIONS = ("0.24.0", "0.33.0", "0.34.1", "0.40.0")
QUESTION = (Message(role="user", content="hello"),)
ONE, TWO, LATEST = "me:2026-11-22-0001", "me:2026-11-23-0002", "me:latest"


def expected(gguf: Path, adapter: Path | None = None) -> str:
    """What llama.cpp itself answers in this process."""
    with Base(gguf, context=512, threads=1) as base:
        words = base.vocabulary
        template = ChatTemplate(base.template, bos=words.bos, eos=words.eos, clock=REFERENCE_CLOCK)
        loaded = base.load_adapter(adapter) if adapter else None
        prompt = words.tokenize(template.render(QUESTION))
        events = generate(base, loaded, prompt, Sampling(max_tokens=8, temperature=0), lambda: False)
        return "".join(event.text for event in events if isinstance(event, Delta))


def runner_at(server: Server, base: str = BASE, **options: object) -> OllamaRunner:
    return runner_of(server.url, base, server.store.parent, **options)


def answer(runner: Runner, name: str) -> str:
    return runner.generate(name, QUESTION, max_tokens=8).text


def files_behind(server: Server, name: str) -> tuple[int, int]:
    """How many model and adapter files are behind a name."""
    text = server.api.show(name).modelfile
    return text.count("\nFROM "), text.count("\nADAPTER ")


Starter = Callable[..., Server]


@pytest.fixture
def start(demo_gguf: Path, tmp_path: Path) -> Iterator[Starter]:
    """Start a server of a release, or the next one on what an earlier one left; it ends with the test."""
    numbers = itertools.count()
    with ExitStack() as stack:

        def run(
            version: str = "0.33.0", *, go_engine: tuple[str, ...] = (), after: Server | None = None
        ) -> Server:
            store, port = (after.store, after.port) if after else (tmp_path / f"ollama-{next(numbers)}", 0)
            server = stack.enter_context(started(store, version=version, go_engine=go_engine, port=port))
            if after is None:
                install(
                    server.url,
                    BASE,
                    demo_gguf,
                    license=["The base's own licence"],
                    parameters={"stop": ["<|im_end|>"], "temperature": 0.5},
                    template="{{ .Prompt }} of the base",
                )
            return server

        yield run


@pytest.fixture(scope="session")
def loras(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("ollama-loras")
    one, two = (write_lora(demo_gguf, folder / f"{seed}.gguf", seed=seed) for seed in (1, 2))
    return one, two
