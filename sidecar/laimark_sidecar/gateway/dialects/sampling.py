"""The sampling options of a request, under one name each: what the journal keeps of how an answer was drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from laimark_sidecar.gateway.dialects.dialect import Options

_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "repeat_penalty": "repeat_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "num_ctx": "num_ctx",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "num_predict": "max_tokens",
    "n_predict": "max_tokens",
}
_LARGEST = 2**63


class Sampled(msgspec.Struct):
    """The fields that requests share. Of any type here: what is no number is the server's to refuse, not ours."""

    temperature: object = None
    top_p: object = None
    top_k: object = None
    min_p: object = None
    seed: object = None
    repeat_penalty: object = None
    presence_penalty: object = None
    frequency_penalty: object = None
    max_tokens: object = None
    max_completion_tokens: object = None
    max_output_tokens: object = None
    num_predict: object = None
    n_predict: object = None
    tools: object = None
    """Their number is kept: a prompt with tools is another prompt."""
    format: object = None
    """Ollama's; like the next three it binds the answer to a grammar."""
    response_format: object = None
    json_schema: object = None
    grammar: object = None
    think: object = None
    reasoning_effort: object = None


def options_of(request: Sampled, more: Mapping[str, object] | None = None) -> Options:
    """Return the options that a request names; `more` are Ollama's `options`."""
    named = {name: getattr(request, name) for name in request.__struct_fields__ if name in _NAMES}
    kept: Options = {}
    for name, value in (*named.items(), *(more or {}).items()):
        if name in _NAMES and isinstance(value, int | float) and _is_plain(value):
            kept[_NAMES[name]] = value
    if isinstance(request.tools, list) and request.tools:
        kept["tools"] = len(request.tools)
    if _is_bound(request):
        kept["grammar"] = True
    think = request.think if request.think is not None else request.reasoning_effort
    if isinstance(think, bool) or (isinstance(think, str) and 0 < len(think) <= 20):
        kept["think"] = think
    return kept


def is_probe(options: Options) -> bool:
    """Whether at most one token was asked for: a client that warms up or classifies, nobody who talks."""
    most = options.get("max_tokens")
    return isinstance(most, int | float) and 0 <= most <= 1


def _is_plain(value: float) -> bool:
    return not isinstance(value, bool) and math.isfinite(value) and abs(value) < _LARGEST


def _is_bound(request: Sampled) -> bool:
    if isinstance(request.response_format, dict):
        return request.response_format.get("type") != "text"
    return bool(request.format or request.json_schema or request.grammar)
