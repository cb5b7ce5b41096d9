"""The gateway's own errors, in the shape that the client of a path reads."""

from __future__ import annotations

import msgspec
from aiohttp import web

_OLLAMA = "/api/"


def error_body(target: str, message: str, *, kind: str) -> bytes:
    """Return the JSON of an error: Ollama's clients read a text, those of the OpenAI and Anthropic APIs an object."""
    if target.startswith(_OLLAMA):
        return msgspec.json.encode({"error": message})
    return msgspec.json.encode({"type": "error", "error": {"message": message, "type": kind, "code": kind}})


def refused(status: int, target: str, message: str, kind: str) -> web.Response:
    """Return the answer that refuses a request; the connection is closed after it."""
    body = error_body(target, message, kind=kind)
    # The body may not have been read: what is left of it must not be taken for the next request.
    response = web.Response(status=status, body=body, content_type="application/json")
    response.force_close()
    return response
