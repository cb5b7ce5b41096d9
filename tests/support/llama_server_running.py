"""One router for the tests of a module, and adapters to register with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support import llama_server
from tests.support.lora import write_lora

from laimark_sidecar.runners.llama_server.client import LlamaServerRunner
from laimark_sidecar.runners.llama_server.process import ManagedServer
from laimark_sidecar.runners.llama_server.settings import RouterSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    settings: RouterSettings
    server: ManagedServer

    @property
    def runner(self) -> LlamaServerRunner:
        return llama_server.runner(self.settings)


@pytest.fixture(scope="session")
def adapters(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("adapters")
    return tuple(write_lora(demo_gguf, folder / f"{seed}.gguf", seed=seed) for seed in range(4))


@pytest.fixture(scope="module")
def running(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    settings = llama_server.router_settings(tmp_path_factory.mktemp("router"), demo_gguf)
    with llama_server.started(settings, {"me:one": adapters[0]}) as server:
        yield Running(settings=settings, server=server)
