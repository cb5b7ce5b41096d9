"""Reads requests in OpenAI's shape. Unknown fields are ignored; wrong ones are refused with the field's name."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.journal.exchange import Message, Role
from laimark_sidecar.runners.embedded.api_error import ApiError
from laimark_sidecar.runners.embedded.sampling import (
    DEFAULT_TEMPERATURE,
    DEFAULT_TOP_K,
    DEFAULT_TOP_P,
    Sampling,
)

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_MAX_STOPS = 16
_MAX_LOGPROBS = 100
Stops = str | list[str] | None
T = TypeVar("T", bound=msgspec.Struct)


class _Part(msgspec.Struct):
    type: str
    text: str = ""


class _Turn(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = False


class _Common(msgspec.Struct):
    model: str
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=10)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    seed: int | None = None
    stop: Stops = None
    n: int | None = 1


class ChatRequest(_Common):
    """`POST /v1/chat/completions`."""

    messages: list[_Turn] = []
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    logprobs: bool | None = False
    top_logprobs: Annotated[int, Meta(ge=0, le=_MAX_LOGPROBS)] | None = None


class CompletionRequest(_Common):
    """`POST /v1/completions`."""

    prompt: str | list[str] = ""
    logprobs: Annotated[int, Meta(ge=0, le=_MAX_LOGPROBS)] | None = None


class AdapterRequest(msgspec.Struct):
    """`PUT /laimark/adapters/{name}`."""

    path: str
    sha256: str = ""


class NameRequest(msgspec.Struct):
    """`PUT /laimark/names/{name}`."""

    version: str


class RenderRequest(msgspec.Struct):
    """`POST /laimark/render`."""

    messages: list[_Turn] = []


class FeedbackRequest(msgspec.Struct):
    """`POST /laimark/feedback`."""

    id: str
    kind: Literal["accept", "reject", "edit"]
    text: str = ""


def parse(body: bytes, kind: type[T]) -> T:
    """Decode a request body.

    Raises:
        ApiError: 400, says what is wrong and where; the value is not repeated, because it may be prompt text.
    """
    try:
        return decode_json(body, kind)
    except MalformedError as error:
        raise ApiError(400, f"the request body is not acceptable: {error}", code="invalid_body") from error


def messages(request: ChatRequest | RenderRequest) -> tuple[Message, ...]:
    """Return the conversation as text turns.

    Raises:
        ApiError: 400 for no messages, an unknown role, or content that is not text.
    """
    if not request.messages:
        raise ApiError(400, "messages must hold at least one message", param="messages")
    return tuple(_message(index, turn) for index, turn in enumerate(request.messages))


def prompt(request: CompletionRequest) -> str:
    """Return the one prompt of a completion request.

    Raises:
        ApiError: 400 for an empty prompt or several at once.
    """
    prompts = [request.prompt] if isinstance(request.prompt, str) else request.prompt
    if len(prompts) != 1 or not prompts[0]:
        raise ApiError(400, f"prompt must be one text that is not empty, got {len(prompts)}", param="prompt")
    return prompts[0]


def sampling(request: ChatRequest | CompletionRequest, *, room: int) -> Sampling:
    """Return how to draw the answer.

    Args:
        request: parsed.
        room: tokens left in the context; the limit where the request names none.

    Raises:
        ApiError: 400 for `n` other than 1 or unusable stop strings.
    """
    if request.n not in (None, 1):
        raise ApiError(400, f"n must be 1, got {request.n}", param="n")
    limits = [request.max_tokens]
    alternatives = request.logprobs
    if isinstance(request, ChatRequest):
        limits.append(request.max_completion_tokens)
        alternatives = (request.top_logprobs or 0) if request.logprobs else None
    return Sampling(
        max_tokens=min([room, *(limit for limit in limits if limit is not None)]),
        temperature=DEFAULT_TEMPERATURE if request.temperature is None else request.temperature,
        top_p=DEFAULT_TOP_P if request.top_p is None else request.top_p,
        top_k=DEFAULT_TOP_K if request.top_k is None else request.top_k,
        seed=request.seed,
        stops=_stops(request.stop),
        logprobs=alternatives,
    )


def options(request: ChatRequest | CompletionRequest) -> dict[str, float | int | str | bool | None]:
    """Return the sampling options that the request named, for the conversation log."""
    named = {name: getattr(request, name) for name in ("temperature", "top_p", "top_k", "seed", "max_tokens")}
    return {name: value for name, value in named.items() if value is not None}


def _message(index: int, turn: _Turn) -> Message:
    where = f"messages[{index}]"
    role = _ROLES.get(turn.role)
    if role is None:
        known = ", ".join(_ROLES)
        raise ApiError(
            400, f"{where}.role {turn.role[:40]!r} is unknown, expected one of {known}", param=where
        )
    if isinstance(turn.content, list):
        if any(part.type != "text" for part in turn.content):
            raise ApiError(
                400, f"{where}.content has a part that is not text; this model reads text only", param=where
            )
        texts = [part.text for part in turn.content]
        parts = max(1, sum(bool(text.strip()) for text in texts))
        return Message(role=role, content="".join(texts), parts=parts)
    return Message(role=role, content=turn.content or "")


def _stops(stop: Stops) -> tuple[str, ...]:
    stops = [stop] if isinstance(stop, str) else stop or []
    if len(stops) > _MAX_STOPS or not all(stops):
        raise ApiError(400, f"stop must be at most {_MAX_STOPS} texts, none of them empty", param="stop")
    return tuple(stops)
