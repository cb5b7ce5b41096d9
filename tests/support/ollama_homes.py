"""A home whose runner is the user's own Ollama."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import ollama
from tests.support.homes import opened, reconfigure

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.runners.ollama.blob import base_blob

BASE = "demo"


@contextmanager
def beside(
    home: Home, gguf: Path, release: str, *, system: str = "", **settings: str
) -> Iterator[tuple[Workshop, ollama.Server]]:
    """Run an Ollama that has the base, and point the home at it as `init --runner ollama` does.

    With a `system` prompt of the base's own, Ollama reads conversations otherwise than the base's template does.
    """
    with ollama.started(home.root.parent / "ollama", version=release) as server:
        ollama.install(server.url, BASE, gguf, template=ollama.DEMO_TEMPLATE, system=system)
        blob = base_blob(server.api.show(BASE).modelfile)
        reconfigure(home, "base", name=BASE, gguf=str(blob))
        reconfigure(home, "runner", kind="ollama")
        reconfigure(home, "ollama", url=server.url, **settings)
        yield opened(home), server
