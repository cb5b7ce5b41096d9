"""The real llama-server for tests: where it is, and one that is started with names and always ended."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.homes import free_port

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.files import sha256_file
from laimark_sidecar.registry.version import BaseIdentity
from laimark_sidecar.runners.llama_server.client import LlamaServerRunner
from laimark_sidecar.runners.llama_server.managed import router_server
from laimark_sidecar.runners.llama_server.presets import Presets
from laimark_sidecar.runners.llama_server.process import ManagedServer
from laimark_sidecar.runners.llama_server.sections import Section
from laimark_sidecar.runners.llama_server.settings import RouterSettings

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


def sections(settings: RouterSettings, versions: Mapping[str, Path]) -> dict[Section, Path | None]:
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
