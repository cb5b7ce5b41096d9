"""Puts one version into Ollama: with its adapter where that is taken, merged where it is refused.

Built under a name of its own, asked once, and only then given its immutable name: a name that exists was checked, and
whatever fails on the way leaves what was served before.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.logs import action
from laimark_sidecar.runners.ollama.api import OllamaApi, Shown
from laimark_sidecar.runners.ollama.connection import OllamaRefusedError
from laimark_sidecar.runners.ollama.marker import UNCHECKED, Marker, render
from laimark_sidecar.runners.ollama.settings import settings
from laimark_sidecar.runners.ollama.shown import layers

log = logging.getLogger(__name__)
_ABSENT = "sha256:" + "0" * 64
# "LoRA adapters are no longer supported" (0.34.1), "loras are not yet implemented" (0.24), and what may come.
_NO_ADAPTERS = re.compile(r"\b(loras?|adapters?)\b.*\bno[t ].*\b(supported|implemented)\b", re.IGNORECASE)
_TRIAL = (Message(role="user", content="The quick brown fox jumps over the lazy dog."),)


class MergedFile(Protocol):
    """A merged model on the disk."""

    @property
    def path(self) -> Path: ...
    @property
    def sha256(self) -> str: ...


Merge = Callable[[Path, Path], AbstractContextManager[MergedFile]]
"""Makes the merged GGUF of (base GGUF, adapter GGUF) and lends it: it may be gone when the context ends."""


def refuses_adapters(error: OllamaRefusedError) -> bool:
    """Say whether an error means that this server takes no adapters (for this architecture), whatever is in them."""
    return _NO_ADAPTERS.search(error.reason) is not None


def takes_adapters(api: OllamaApi, base: str) -> bool:
    """Return whether a create with an adapter gets past the refusal; nothing is created, nothing is pulled.

    The adapter named is a blob that nobody has, so a server that takes adapters fails on that.

    Args:
        api: of the server.
        base: must be local.

    Raises:
        RunnerError: the server is not there.
    """
    try:
        api.create(f"laimark-probe{UNCHECKED}", {"from": base, "adapters": {"probe.gguf": _ABSENT}})
    except OllamaRefusedError as error:
        return not refuses_adapters(error)
    return True


def register_adapter(api: OllamaApi, base: str, marker: Marker, adapter: Path) -> None:
    """Register FROM the pristine base, with the adapter beside it.

    Raises:
        OllamaRefusedError: ask `refuses_adapters` whether merging helps; what was served before is served still.
        RunnerError: the server fell silent or the file cannot be read; likewise.
    """
    digest = api.put_blob(adapter)
    name = f"laimark-{marker.adapter_sha256[:12]}.gguf"
    _build(api, marker, {"from": base, "adapters": {name: digest}, "license": [render(marker)]})


def register_merged(api: OllamaApi, shown: Shown, marker: Marker, adapter: Path, merge: Merge) -> None:
    """Register a merged file with the base's template, system prompt and parameters, which a bare file would lose.

    Args:
        api: of the server.
        shown: the base's.
        marker: of the version.
        adapter: GGUF.
        merge: called once.

    Raises:
        RunnerError: refused or not reachable, or the base has more files than can be merged; what was served before
            is served still.
    """
    files = layers(shown.modelfile).models
    if len(files) != 1:
        raise RunnerError(
            f"the base has {len(files)} model files (a projector for images?); such a base is not merged",
            hint="use an Ollama that takes adapters (0.30 to 0.33), or a base without images",
        )
    with merge(Path(files[0]), adapter) as merged:
        size = merged.path.stat().st_size / 1e9
        log.info(
            "giving %s to Ollama, which loads it: %.1f GB",
            marker.version,
            size,
            extra=action("ollama.upload"),
        )
        digest = api.put_blob(merged.path, sha256=merged.sha256)
    licenses = [text for text in (shown.license, render(marker)) if text]
    _build(api, marker, settings(shown) | {"files": {"laimark-merged.gguf": digest}, "license": licenses})


def _build(api: OllamaApi, marker: Marker, fields: dict[str, Any]) -> None:
    unchecked = marker.version + UNCHECKED
    try:
        api.create(unchecked, fields)
        # What does not fit shows only here, as an error of the first answer.
        api.chat(unchecked, _TRIAL, max_tokens=1)
        api.copy(unchecked, marker.version)
    finally:
        # Left behind where the server is gone: the next registration of this version replaces it.
        with contextlib.suppress(RunnerError):
            api.delete(unchecked)
