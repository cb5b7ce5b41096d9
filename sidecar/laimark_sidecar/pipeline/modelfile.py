"""Modelfiles of versions, for people who prefer `ollama create` by hand."""

from __future__ import annotations

import os
from pathlib import Path

from laimark_sidecar.errors import ConfigError, StateError
from laimark_sidecar.pipeline.base import require_same
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.version import Version
from laimark_sidecar.runners.ollama.address import ollama_url
from laimark_sidecar.runners.ollama.api import OllamaApi
from laimark_sidecar.runners.ollama.connection import Connection
from laimark_sidecar.runners.ollama.marker import Marker
from laimark_sidecar.runners.ollama.modelfile import adapter_modelfile, merged_modelfile, template_text


def modelfile(workshop: Workshop, version: Version, *, base: str = "", merged: Path | None = None) -> str:
    """Return the Modelfile that makes `ollama create` build the version as the sidecar itself would.

    Args:
        workshop: whose version.
        version: made for the base of now.
        base: what Ollama calls the base; empty: `base.name`, where the runner is Ollama.
        merged: file that `laimark-sidecar merge` wrote, for an Ollama that takes no adapters; the base's settings are
            asked of Ollama then.

    Raises:
        BaseChangedError: the version is of another base.
        ConfigError: nobody says what Ollama calls the base.
        StateError: the version's files are missing, or there is no merged file.
        RunnerError: the base's settings are to be asked for, and Ollama is not there or has no such base.
        DataError: a value cannot be written into a Modelfile.
    """
    require_same(version.base, workshop.base.identity, where=version.name)
    if not base and workshop.config.runner.kind != "ollama":
        raise ConfigError("what does Ollama call the base?", hint="--base NAME, as `ollama list` shows it")
    name = base or workshop.config.base.name
    sha256 = version.objects["adapter.gguf"]
    marker = Marker(version=version.name, adapter_sha256=sha256)
    if merged is None:
        adapter = workshop.registry.objects.path(sha256)
        return adapter_modelfile(
            template_text("adapter"), marker=marker, base=name, adapter=adapter.absolute()
        )
    if not merged.is_file():
        raise StateError(
            f"{merged} is not there", hint=f"write it: laimark-sidecar merge {version.name} {merged}"
        )
    api = OllamaApi(Connection(ollama_url(workshop.config.ollama.url, os.environ)))
    return merged_modelfile(
        template_text("merged"), marker=marker, merged=merged.absolute(), base=api.show(name)
    )
