"""Sends a request where its model is answered: tuned names may be another upstream's than the base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.gateway.observing import Head, Route


class _Named(msgspec.Struct):
    model: str = ""


@dataclass(frozen=True, slots=True)
class Straight:
    """Everything goes to one upstream, which knows all names."""

    upstream: str

    def reads_body(self, head: Head) -> bool:
        return False

    def route(self, head: Head, body: bytes | None) -> Route:
        return Route(upstream=self.upstream)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByName:
    """Tuned names go to a llama-server of the sidecar, everything else to Ollama."""

    upstream: str
    """Ollama."""
    tuned_upstream: str
    """The llama-server. It speaks the OpenAI and Anthropic APIs, not Ollama's own."""
    is_tuned: Callable[[str], bool]

    def reads_body(self, head: Head) -> bool:
        return head.method == "POST" and head.target.startswith("/v1/")

    def route(self, head: Head, body: bytes | None) -> Route:
        if body is not None and self.is_tuned(_model(body)):
            return Route(upstream=self.tuned_upstream)
        return Route(upstream=self.upstream)


def _model(body: bytes) -> str:
    try:
        return decode_json(body, _Named).model
    except MalformedError:
        return ""  # its own upstream says what is wrong with it
