"""Modelfiles of versions, for people who prefer `ollama create` by hand."""

from __future__ import annotations

import logging
from pathlib import Path

from laimark_converters.base_fit import MERGED_PREFIX
from laimark_converters.errors import ConversionError
from laimark_converters.header import read_header
from laimark_sidecar.errors import ConfigError, RunnerError, StateError
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.base import require_same
from laimark_sidecar.pipeline.connect import users_ollama
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.version import Version
from laimark_sidecar.runners.ollama.api import OllamaApi
from laimark_sidecar.runners.ollama.connection import Connection
from laimark_sidecar.runners.ollama.marker import Marker
from laimark_sidecar.runners.ollama.modelfile import adapter_modelfile, merged_modelfile, template_text
from laimark_sidecar.runners.ollama.registration import takes_adapters

log = logging.getLogger(__name__)


def modelfile(workshop: Workshop, version: Version, *, base: str = "", merged: Path | None = None) -> str:
    """Return the Modelfile that makes `ollama create` build the version as the sidecar itself would.

    Where the runner is an Ollama that refuses adapters, a Modelfile with one is a warning in the log.

    Args:
        workshop: whose version.
        version: made for the base of now.
        base: what Ollama calls the base; empty: `base.name`, where the runner is Ollama.
        merged: file that `laimark-sidecar merge` wrote, for an Ollama that takes no adapters; the base's settings are
            asked of Ollama then.

    Raises:
        BaseChangedError: the version is of another base.
        ConfigError: nobody says what Ollama calls the base.
        StateError: the version's files are missing, or the merged file is, or is not of this version.
        RunnerError: the base's settings are to be asked for, and Ollama is not there or has no such base.
        DataError: a value cannot be written into a Modelfile.
    """
    require_same(version.base, workshop.base.identity, where=version.name)
    if not base and workshop.config.runner.kind != "ollama":
        raise ConfigError("what does Ollama call the base?", hint="--base NAME, as `ollama list` shows it")
    name = base or workshop.config.base.name
    sha256 = version.objects["adapter.gguf"]
    marker = Marker(version=version.name, adapter_sha256=sha256)
    api = OllamaApi(Connection(users_ollama(workshop.config)))
    if merged is None:
        if workshop.config.runner.kind == "ollama":
            _warn_of_refusal(api, name, version)
        adapter = workshop.registry.objects.path(sha256)
        return adapter_modelfile(
            template_text("adapter"), marker=marker, base=name, adapter=adapter.absolute()
        )
    _require_merge_of(version, merged)
    return merged_modelfile(
        template_text("merged"), marker=marker, merged=merged.absolute(), base=api.show(name)
    )


def _warn_of_refusal(api: OllamaApi, base: str, version: Version) -> None:
    """Say where this Ollama would refuse what is about to be written; the text is right for others."""
    try:
        api.show(base)  # Who is asked for a base that it lacks looks for it in the network.
        taken = takes_adapters(api, base)
    except RunnerError as error:
        log.warning(
            "whether Ollama takes adapters is not known: %s", error, extra=action("modelfile.unasked")
        )
        return
    if not taken:
        log.warning(
            "this Ollama takes no adapters for %s and will refuse this Modelfile: write a merged model "
            "(laimark-sidecar merge %s FILE) and name it: --merged FILE",
            base,
            version.name,
            extra=action("modelfile.refused"),
        )


def _require_merge_of(version: Version, merged: Path) -> None:
    """Do nothing where a file says of itself that it is the version merged into its base.

    Raises:
        StateError: it is not there, damaged, or something else.
    """
    if not merged.is_file():
        raise StateError(
            f"{merged} is not there", hint=f"write it: laimark-sidecar merge {version.name} {merged}"
        )
    hint = f"write one: laimark-sidecar merge {version.name} FILE"
    try:
        header = read_header(merged)
    except ConversionError as error:
        raise StateError(f"{merged} is no merge of {version.name}: {error}", hint=hint) from error
    parts = {"adapter_sha256": version.objects["adapter.gguf"], "base_sha256": version.base.sha256}
    for key, expected in parts.items():
        if (told := header.text(MERGED_PREFIX + key)) != expected:
            found = f"its {key} is {told[:12]}, not {expected[:12]}" if told else "nothing was merged into it"
            raise StateError(f"{merged} is no merge of {version.name}: {found}", hint=hint)
