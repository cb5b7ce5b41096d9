"""Ollama stand-ins of each generation, with the demo base in them under the name of a base that a user pulled."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support import rest
from tests.support.lora import write_lora
from tests.support.processes import started, wait_until

from laimark_converters.merged_gguf import merge
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.files import sha256_file
from laimark_sidecar.registry.version import BaseIdentity
from laimark_sidecar.runners.ollama.api import OllamaApi
from laimark_sidecar.runners.ollama.connection import Connection
from laimark_sidecar.runners.ollama.runner import OllamaRunner

BASE = "demo-base"
GENERATIONS = ("0.24.0", "0.33.0", "0.34.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    url: str
    store: Path
    folder: Path

    @property
    def api(self) -> OllamaApi:
        return OllamaApi(Connection(self.url))

    def runner(self, base: str = BASE, **options: Any) -> OllamaRunner:
        def merged(gguf: Path, adapter: Path) -> Path:
            out = self.folder / f"merged-{adapter.stem}.gguf"
            merge(gguf, adapter, out, touched="f16")
            return out

        def identity(gguf: Path) -> BaseIdentity:
            return BaseIdentity(
                sha256=sha256_file(gguf), architecture="", template_sha256="", tokenizer_sha256="", name=base
            )

        defaults: dict[str, Any] = {
            "moving": ("me:latest",),
            "identify": identity,
            "merge": merged,
            "clock": SystemClock(),
        }
        return OllamaRunner(self.url, base, **(defaults | options))

    def events(self) -> list[str]:
        found: list[str] = rest.call(self.url, "GET", "/stand-in/events").json()
        return found

    def pulls(self) -> list[str]:
        return [event for event in self.events() if event.startswith("pull")]

    def fail_next(self, path: str, what: str) -> None:
        assert rest.call(self.url, "POST", "/stand-in/fault", {"path": path, "what": what}).status == 200


Starter = Callable[..., Server]


@pytest.fixture
def start(demo_gguf: Path, tmp_path: Path) -> Iterator[Starter]:
    """Start a server of a generation; it ends with the test."""
    with ExitStack() as stack:

        def run(version: str = "0.33.0", *, go_engine: tuple[str, ...] = ()) -> Server:
            store = tmp_path / f"ollama-{version}"
            store.mkdir()
            arguments = [sys.executable, "-m", "tests.support.ollama_stand_in", str(store)]
            arguments += ["--version", version, "--go-engine", *go_engine]
            process = stack.enter_context(started(arguments, tmp_path / "ollama.log"))
            port = store / "port"
            wait_until(
                lambda: process.poll() is not None or (port.is_file() and port.read_text()),
                "the stand-in listens",
                log=tmp_path / "ollama.log",
            )
            server = Server(url=f"http://127.0.0.1:{port.read_text()}", store=store, folder=tmp_path)
            digest = server.api.put_blob(demo_gguf)
            server.api.create(
                BASE,
                {
                    "files": {"base.gguf": digest},
                    "license": ["The base's own licence"],
                    "system": "",
                    "parameters": {"stop": ["<|im_end|>"], "temperature": 0.5},
                    "template": "{{ .Prompt }} of the base",
                },
            )
            return server

        yield run


@pytest.fixture(scope="session")
def loras(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("ollama-loras")
    one, two = (write_lora(demo_gguf, folder / f"{seed}.gguf", seed=seed) for seed in (1, 2))
    return one, two
