"""The real llama-server for tests: where it is, and one that is started with names and always ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.homes import free_port
from tests.support.processes import wait_until
from tests.support.rest import chat, open_stream

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.files import sha256_file
from laimark_sidecar.registry.version import BaseIdentity
from laimark_sidecar.runners.llama_server.client import LlamaServerRunner
from laimark_sidecar.runners.llama_server.managed import router_server, single_server
from laimark_sidecar.runners.llama_server.presets import Presets
from laimark_sidecar.runners.llama_server.process import ManagedServer
from laimark_sidecar.runners.llama_server.sections import Section
from laimark_sidecar.runners.llama_server.settings import RouterSettings, ServerSettings, SingleSettings
from laimark_sidecar.runners.llama_server.single_client import SingleRunner
from laimark_sidecar.runners.llama_server.single_names import NamesFile

VARIABLE = "LAIMARK_LLAMA_SERVER"
needs_llama_server = pytest.mark.skipif(
    not os.environ.get(VARIABLE), reason=f"{VARIABLE} names no llama-server; ./scripts/test builds one"
)


def router_settings(folder: Path, base: Path, **changes: object) -> RouterSettings:
    fields: dict[str, object] = {
        "folder": folder,
        "base_path": base,
        "base_name": "demo",
        "port": free_port(),
        "threads": 1,
        "context": 1024,
    }
    return RouterSettings(**(fields | changes))  # type: ignore[arg-type]


def environment() -> dict[str, str]:
    # More threads than cores make every process wait for the others.
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def single_settings(folder: Path, base: Path, **changes: object) -> SingleSettings:
    fields: dict[str, object] = {
        "folder": folder,
        "base_path": base,
        "base_name": "demo",
        "answering": "me:latest",
        "port": free_port(),
        "threads": 1,
        "context": 2048,  # all that the base was trained for: a stream is to outlast what a test does meanwhile
    }
    return SingleSettings(**(fields | changes))  # type: ignore[arg-type]


def single_runner(
    settings: SingleSettings, *, timeout_s: float = 30.0, patience_s: float = 30.0
) -> SingleRunner:
    return SingleRunner(
        settings,
        server=single_server(settings, environment=environment()),
        identify=identity,
        clock=SystemClock(),
        timeout_s=timeout_s,
        patience_s=patience_s,
    )


def managed(settings: RouterSettings) -> ManagedServer:
    return router_server(settings, environment=environment())


def runner(
    settings: RouterSettings, *, timeout_s: float = 30.0, patience_s: float = 30.0
) -> LlamaServerRunner:
    return LlamaServerRunner(
        settings, identify=identity, clock=SystemClock(), timeout_s=timeout_s, patience_s=patience_s
    )


def identity(gguf: Path) -> BaseIdentity:
    """Identify by the bytes alone: enough for what is not about templates."""
    return BaseIdentity(
        sha256=sha256_file(gguf), architecture="llama", template_sha256="", tokenizer_sha256="", name="demo"
    )


def sections(settings: ServerSettings, versions: Mapping[str, Path]) -> dict[Section, Path | None]:
    found: dict[Section, Path | None] = {Section(name=settings.base_name, kind="base"): None}
    for name, adapter in versions.items():
        found[Section(name=name, kind="version", version=name, sha256=sha256_file(adapter))] = adapter
    return found


@contextmanager
def started(settings: RouterSettings, versions: Mapping[str, Path] | None = None) -> Iterator[ManagedServer]:
    """Run a router with the base and some versions."""
    server = managed(settings)
    server.start(prepare=lambda: Presets(settings).seed(sections(settings, versions or {})))
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def single_started(
    settings: SingleSettings, versions: Mapping[str, Path] | None = None
) -> Iterator[ManagedServer]:
    """Run a server with one model and some versions."""
    server = single_server(settings, environment=environment())
    server.start(prepare=lambda: NamesFile(settings).seed(sections(settings, versions or {})))
    try:
        yield server
    finally:
        server.stop()


LONG: dict[str, object] = {"max_tokens": 900, "temperature": 5, "min_p": 0, "top_k": 0, "ignore_eos": True}


@contextmanager
def kept_busy(url: str, model: str, *, streams: int = 4) -> Iterator[None]:
    """Ask a name long questions at once; at the end they are waited for, and must be whole.

    A tiny model answers one within a second, which a busy machine may let pass before anybody looks.
    """
    began = threading.Event()
    last: list[bytes] = []

    def listen() -> None:
        connection, lines = open_stream(url, model, "go on", **LONG)
        read = []
        for line in lines:
            began.set()
            read.append(line.strip())
        last.append([line for line in read if line][-1])
        connection.close()

    listeners = [threading.Thread(target=listen, name=f"listener-{number}") for number in range(streams)]
    for listener in listeners:
        listener.start()
    try:
        assert began.wait(60)
        yield
    finally:
        for listener in listeners:
            listener.join(120)
    assert last == [b"data: [DONE]"] * len(listeners)


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]


def gone(pid: int) -> bool:
    """Say whether a process has ended, its sockets with it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def halt(pid: int) -> None:
    """Stop a process as a hang would, and return when all of its threads stand still."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: set(_states(pid)) == {"T"}, f"process {pid} stands still")


def _states(pid: int) -> list[str]:
    shown = subprocess.run(
        ["ps", "-L", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return [line[:1] for line in shown.stdout.split()]


@contextmanager
def single_serving(
    folder: Path, base: Path, versions: Mapping[str, Path], **changes: object
) -> Iterator[tuple[SingleSettings, SingleRunner]]:
    """Run a server with one model and some versions, and the runner over it."""
    settings = single_settings(folder, base, **changes)
    with single_started(settings, versions):
        yield settings, single_runner(settings)


def said(settings: ServerSettings, text: str, *, max_tokens: int = 12) -> str:
    """Ask as any client does, by a name that single mode does not look at."""
    answer = chat(settings.url, "whatever", text, max_tokens=max_tokens).json()
    return str(answer["choices"][0]["message"]["content"])


def program(path: Path, body: str) -> str:
    """Write a llama-server that is another one: a script that ends in the real one."""
    path.write_text(f'#!/bin/sh\nreal={os.environ[VARIABLE]}\n{body}\nexec $real "$@"\n')
    path.chmod(0o755)
    return str(path)
