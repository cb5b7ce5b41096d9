"""OpenAI's chat completions, as OpenAI, Ollama below `/v1` and llama-server speak them.

Sources: openai-python 2 `types/chat/chat_completion.py` and `chat_completion_chunk.py`; the field `reasoning_content` is
llama-server's and DeepSeek's, `reasoning` is Ollama's (ollama `openai/openai.go`).

Of several choices (`n` > 1) the first is the answer: which one the user took is not on the wire. llama-server and Ollama
do not say here whether they cut the prompt.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from laimark_sidecar.decoding import decode_json
from laimark_sidecar.gateway.dialects.dialect import Asked, Dialect
from laimark_sidecar.gateway.dialects.draft import Count, Draft, Few
from laimark_sidecar.gateway.dialects.parts import Content, json_text, read
from laimark_sidecar.gateway.dialects.sampling import Sampled, is_probe, options_of
from laimark_sidecar.gateway.dialects.turns import Calls, Function, Turn, message
from laimark_sidecar.journal.exchange import Finish

REASONS: dict[str, Finish] = {
    "stop": "stop",
    "tool_calls": "stop",
    "function_call": "stop",
    "length": "length",
}


class _Request(Sampled):
    model: str | None = None
    messages: Annotated[list[Turn], Few] | None = None
    options: dict[str, Any] | None = None
    """Ollama's, which asks in the same shape."""


class Usage(msgspec.Struct):
    """OpenAI's count of tokens."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None


class Timings(msgspec.Struct):
    """llama-server's, which come with the last chunk, unlike `usage`, without being asked for."""

    cache_n: Count | None = None
    prompt_n: Count | None = None
    predicted_n: Count | None = None


class _Said(msgspec.Struct):
    content: Content = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: Calls = None
    function_call: Function | None = None


class _Choice(msgspec.Struct):
    index: int | None = 0
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None


class Envelope(msgspec.Struct):
    """What a completion says beside its choices, whole or in pieces."""

    id: str | None = None
    model: str | None = None
    usage: Usage | None = None
    timings: Timings | None = None
    error: object = None


class _Event(Envelope):
    choices: Annotated[list[_Choice], Few] | None = None


def ask(body: bytes) -> Asked:
    """Read a request of `/v1/chat/completions` or `/api/chat`.

    Raises:
        DataError: not such a request.
    """
    request = decode_json(body, _Request)
    options = options_of(request, request.options)
    return Asked(
        model=request.model or "",
        messages=tuple(message(turn) for turn in request.messages or ()),
        options=options,
        background=is_probe(options),
    )


def fold(draft: Draft, content: bytes) -> None:
    """Take a completion, or a chunk of one.

    Raises:
        DataError: of another shape.
    """
    event = decode_json(content, _Event)
    opened(draft, event)
    for choice in event.choices or ():
        if choice.index:
            continue
        said = choice.delta or choice.message
        if said is not None:
            _take(draft, said)
        if choice.finish_reason is not None:
            draft.stopped(choice.finish_reason, REASONS)


def opened(draft: Draft, event: Envelope) -> None:
    """Take what stands beside the choices."""
    draft.named(model=event.model, id=event.id)
    draft.failed = draft.failed or bool(event.error)
    counted(draft, event.usage, event.timings)


def counted(draft: Draft, usage: Usage | None, timings: Timings | None) -> None:
    """Take the numbers of tokens from whichever of both there is."""
    if timings is not None:
        draft.counted(prompt=(timings.cache_n or 0) + (timings.prompt_n or 0), answer=timings.predicted_n)
    if usage is not None:
        draft.counted(prompt=usage.prompt_tokens, answer=usage.completion_tokens)


def _take(draft: Draft, said: _Said) -> None:
    draft.texts.append(said.content if isinstance(said.content, str) else read(said.content).text)
    if said.refusal:
        draft.texts.append(said.refusal)
    thought = said.reasoning_content or said.reasoning
    if thought:
        draft.thoughts.append(thought)
    for position, call in enumerate(said.tool_calls or ()):
        if call.function is not None:
            _called(draft, position if call.index is None else call.index, call.function)
    if said.function_call is not None:
        _called(draft, 0, said.function_call)


def _called(draft: Draft, index: int, function: Function) -> None:
    draft.call(index, name=function.name or "", arguments=json_text(function.arguments))


openai_chat = Dialect(name="openai-chat", ask=ask, fold=fold)
