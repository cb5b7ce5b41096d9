"""Ollama for tests: stand-ins as processes of their own, and what the sidecar needs to talk to them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

from tests.support import rest
from tests.support.processes import started as process_started
from tests.support.processes import wait_until

from laimark_converters.errors import ConversionError as Refused
from laimark_converters.merged_gguf import merge
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import ConversionError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.registry.version import BaseIdentity
from laimark_sidecar.runners.ollama.api import OllamaApi
from laimark_sidecar.runners.ollama.connection import Connection
from laimark_sidecar.runners.ollama.runner import OllamaRunner


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

    def install(self, name: str, gguf: Path, **fields: object) -> None:
        """Put a model into it as `ollama create` would."""
        digest = self.api.put_blob(gguf)
        self.api.create(name, {"files": {"base.gguf": digest}} | fields)

    def events(self) -> list[str]:
        return self._control("events")

    def pulls(self) -> list[str]:
        return [event for event in self.events() if event.startswith("pull")]

    def fail_next(self, path: str, what: str) -> None:
        """Let the next request to `path` go wrong as `ollama_http.Fault` says."""
        self._control("fault", {"path": path, "what": what})

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
    }
    return OllamaRunner(url, base, **(defaults | options))
