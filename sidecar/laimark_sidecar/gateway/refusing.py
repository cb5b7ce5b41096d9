"""The gateway's own errors, in the shape that the client of a path reads."""

from __future__ import annotations

import msgspec

_OLLAMA = "/api/"


def error_body(target: str, message: str, *, kind: str) -> bytes:
    """Return the JSON of an error: Ollama's clients read a text, those of the OpenAI and Anthropic APIs an object."""
    if target.startswith(_OLLAMA):
        return msgspec.json.encode({"error": message})
    return msgspec.json.encode({"type": "error", "error": {"message": message, "type": kind, "code": kind}})
