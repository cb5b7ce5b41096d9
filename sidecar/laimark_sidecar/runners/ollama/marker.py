"""How a name in Ollama says that it is ours: a licence text, the one free text that copies and derives with it.

A licence is shown by `ollama show`, never reaches the prompt, and Ollama adds it to the base's own instead of replacing
them. Names derived by the user carry it too, so the marker alone proves nothing: see `is_ours`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

UNCHECKED = ".unchecked"
"""Ends the name under which a version is built and asked before it gets its own."""
_MARK = re.compile(
    r"^laimark-sidecar version=(?P<version>\S*) adapter-sha256=(?P<adapter>[0-9a-f]*)$", re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What a name of ours was made of."""

    version: str
    """Immutable name; empty for a moving name that answers as the base."""
    adapter_sha256: str
    """Of the adapter's GGUF, merged or not; empty for the base."""


OF_THE_BASE = Marker(version="", adapter_sha256="")
"""On a moving name that answers as the base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """One name of `/api/tags`."""

    digest: str
    """Of its manifest: a copy has the same."""
    marker: Marker | None


def render(marker: Marker) -> str:
    """Return the licence text."""
    return (
        "Tuned on one user's own conversations by laimark-sidecar; the base model's licence applies.\n"
        f"laimark-sidecar version={marker.version} adapter-sha256={marker.adapter_sha256}"
    )


def parse(license_text: str) -> Marker | None:
    """Return the last marker in a shown licence; None where there is none."""
    found = list(_MARK.finditer(license_text))
    if not found:
        return None
    return Marker(version=found[-1]["version"], adapter_sha256=found[-1]["adapter"])


def canonical(name: str) -> str:
    """Return a name as Ollama compares it: with its tag, in lower case."""
    name = name.lower()
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def is_ours(name: str, names: Mapping[str, Name], moving: Collection[str]) -> bool:
    """Say whether we made `name`, so that it may be replaced or deleted.

    A marked name is ours when it is the version that it says (or that version unchecked), an exact copy of that
    version, or one of the moving names that we know. A user's own model built FROM ours is none of these.

    Args:
        name: canonical.
        names: all, by canonical name.
        moving: canonical names that only we point.
    """
    found = names.get(name)
    if found is None or found.marker is None:
        return False
    version = canonical(found.marker.version) if found.marker.version else ""
    copied = names.get(version)
    return (
        name in {version, version + UNCHECKED}
        or name in moving
        or (copied is not None and copied.digest == found.digest)
    )
