"""What a name in Ollama says beside its files: template, system prompt, parameters and the like."""

from __future__ import annotations

from typing import Any

from laimark_sidecar.runners.ollama.api import Shown
from laimark_sidecar.runners.ollama.shown import layers, parameters


def settings(shown: Shown) -> dict[str, Any]:
    """Return what a name adds to its files, as `/api/create` takes it; only the licence is left out."""
    found: dict[str, Any] = {
        "template": shown.template,
        "system": shown.system,
        "parameters": parameters(shown.parameters),
        "renderer": shown.renderer,
        "parser": shown.parser,
        "messages": shown.messages,
    }
    return {name: value for name, value in found.items() if value}


def is_like(one: Shown, other: Shown) -> bool:
    """Say whether two names answer alike: the same files and settings."""
    return layers(one.modelfile) == layers(other.modelfile) and settings(one) == settings(other)
