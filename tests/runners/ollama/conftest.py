"""Ollama stand-ins of each generation, with the demo base in them under the name of a base that a user pulled."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.lora import write_lora
from tests.support.ollama import Server, install, started

BASE = "demo-base"
GENERATIONS = ("0.24.0", "0.33.0", "0.34.1", "0.40.0")


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
