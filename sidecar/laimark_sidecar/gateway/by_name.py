"""Sends a request where its model is answered: tuned names may be another upstream's than the base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.gateway.observing import Head, Route

_NATIVE = frozenset({"/api/chat", "/api/generate"})


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
        return head.method == "POST" and (head.target.startswith("/v1/") or _is_native(head))

    def route(self, head: Head, body: bytes | None) -> Route:
        model = "" if body is None else _model(body)
        if not self.is_tuned(model):
            return Route(upstream=self.upstream)
        if _is_native(head):
            return Route(upstream=self.upstream, refusal=_refusal(head, model))
        return Route(upstream=self.tuned_upstream)


def _is_native(head: Head) -> bool:
    """Whether it asks for an answer in Ollama's own API, which the llama-server does not speak."""
    return head.target.partition("?")[0] in _NATIVE


def _refusal(head: Head, model: str) -> str:
    path = head.target.partition("?")[0]
    return (
        f"{model} is answered by a llama-server, which does not know {path}: ask for it at /v1/chat/completions "
        "(or set ollama.route in config.toml, so that Ollama itself answers it)"
    )


def _model(body: bytes) -> str:
    try:
        return decode_json(body, _Named).model
    except MalformedError:
        return ""  # its own upstream says what is wrong with it
