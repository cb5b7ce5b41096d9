"""Ollama for tests: stand-ins as processes of their own, and what the sidecar needs to talk to them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from tests.support import rest
from tests.support.processes import started as process_started
from tests.support.processes import wait_until

from laimark_converters.errors import ConversionError as Refused
from laimark_converters.merged_gguf import merge
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import ConversionError, RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.registry.version import BaseIdentity
from laimark_sidecar.runners.ollama.address import ollama_url
from laimark_sidecar.runners.ollama.api import OllamaApi
from laimark_sidecar.runners.ollama.connection import Connection
from laimark_sidecar.runners.ollama.runner import OllamaRunner

LIVE = "LAIMARK_LIVE"
needs_live = pytest.mark.skipif(
    os.environ.get(LIVE) != "1", reason=f"{LIVE}=1 asks the Ollama of this machine (OLLAMA_HOST)"
)
DEMO_TEMPLATE = (
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
)
"""The demo base's chat template in Ollama's language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A stand-in that runs, or ran."""

    url: str
    store: Path
    process: Popen[bytes]

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    @property
    def api(self) -> OllamaApi:
        return OllamaApi(Connection(self.url))

    def events(self) -> list[str]:
        return self._control("events")

    def pulls(self) -> list[str]:
        return [event for event in self.events() if event.startswith("pull")]

    def fail_next(self, path: str, what: str, *, skip: int = 0) -> None:
        """Let a request to `path` go wrong as `ollama_http.Fault` says."""
        self._control("fault", {"path": path, "what": what, "skip": skip})

    def release(self) -> None:
        """End what stalls."""
        self._control("release", {})

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _control(self, what: str, body: object = None) -> list[str]:
        answer = rest.call(self.url, "GET" if body is None else "POST", f"/stand-in/{what}", body)
        assert answer.status == 200
        events: list[str] = answer.json()
        return events


def install(url: str, name: str, gguf: Path, **fields: object) -> None:
    """Put a model into an Ollama as `ollama create` would."""
    api = OllamaApi(Connection(url))
    api.create(name, {"files": {"base.gguf": api.put_blob(gguf)}} | fields)


def live_url() -> str:
    """Return where the Ollama of this machine listens; skips the test where none answers."""
    url = ollama_url("", os.environ)
    try:
        OllamaApi(Connection(url, timeout_s=5)).version()
    except RunnerError as error:
        pytest.skip(str(error))
    return url


@contextmanager
def lent(url: str, *, names: tuple[str, ...]) -> Iterator[None]:
    """Leave a user's Ollama as it was; skips the test where it has one of the names (before their `:`) already."""

    def found() -> list[str]:
        tags = OllamaApi(Connection(url)).tags()
        return [tag.name for tag in tags if tag.name.partition(":")[0] in names]

    if taken := found():
        pytest.skip(f"the Ollama at {url} has {', '.join(taken)}, which the tests would use")
    try:
        yield
    finally:
        for name in found():
            OllamaApi(Connection(url)).delete(name)


@contextmanager
def started(
    store: Path, *, version: str, go_engine: tuple[str, ...] = (), context: int = 512, port: int = 0
) -> Iterator[Server]:
    """Run a stand-in of a release on a folder; killed at the end."""
    store.mkdir(exist_ok=True)
    told, log = store / "port", store.with_suffix(".log")
    told.unlink(missing_ok=True)
    arguments = [sys.executable, "-m", "tests.support.ollama_stand_in", str(store), "--version", version]
    arguments += ["--context", str(context), "--port", str(port), "--go-engine", *go_engine]
    with process_started(arguments, log) as process:
        wait_until(
            lambda: process.poll() is not None or (told.is_file() and told.read_text()), "it listens", log=log
        )
        assert process.poll() is None, log.read_text(encoding="utf-8")
        yield Server(url=f"http://127.0.0.1:{told.read_text()}", store=store, process=process)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """A merged file while it is lent."""

    path: Path
    sha256: str


@contextmanager
def merged(folder: Path, gguf: Path, adapter: Path) -> Iterator[Lent]:
    """Merge at full precision; the file is gone afterwards, as the pipeline's is."""
    out = folder / "merged.gguf"
    try:
        made = merge(gguf, adapter, out, touched="f32")
    except Refused as error:
        raise ConversionError(f"{adapter}: {error}", hint=error.hint) from error
    try:
        yield Lent(path=out, sha256=made.sha256)
    finally:
        out.unlink()


def runner(url: str, base: str, folder: Path, **options: Any) -> OllamaRunner:
    """Return a runner that merges into `folder`."""

    def identity(gguf: Path) -> BaseIdentity:
        return BaseIdentity(
            sha256=sha256_file(gguf), architecture="llama", template_sha256="", tokenizer_sha256="", name=base
        )

    defaults: dict[str, Any] = {
        "moving": ("me:latest",),
        "identify": identity,
        "merge": lambda gguf, adapter: merged(folder, gguf, adapter),
        "clock": SystemClock(),
        "observed": folder / "observed.json",
    }
    return OllamaRunner(url, base, **(defaults | options))
