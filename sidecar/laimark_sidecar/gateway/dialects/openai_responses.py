"""OpenAI's responses: items in, items out, and a stream of typed events.

Sources: openai-python 2 `types/responses/`, ollama `openai/responses.go`. A request that goes on from a response which
the server keeps (`previous_response_id`, `conversation`, a stored `prompt`) holds only the end of its conversation: it
is marked as no turn. Ollama and llama-server refuse such requests. llama-server calls an answer `completed` that it cut at
`max_output_tokens` (seen with the one of llama-cpp-python 0.3.36).
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from laimark_sidecar.decoding import decode_json
from laimark_sidecar.errors import DataError
from laimark_sidecar.gateway.dialects.dialect import NO_TURN, Asked, Dialect
from laimark_sidecar.gateway.dialects.draft import Count, Draft, Few
from laimark_sidecar.gateway.dialects.parts import Content, read
from laimark_sidecar.gateway.dialects.sampling import Sampled, is_probe, options_of
from laimark_sidecar.gateway.dialects.turns import role
from laimark_sidecar.journal.exchange import Message, ToolCall

_THOUGHTS = frozenset({"response.reasoning_text.delta", "response.reasoning_summary_text.delta"})
_TEXTS = frozenset({"response.output_text.delta", "response.refusal.delta"})
_LAST = frozenset({"response.completed", "response.incomplete", "response.failed"})
_CALLS = frozenset({"function_call", "custom_tool_call"})
_KEPT_BY_SERVER = ("previous_response_id", "conversation", "prompt")


class _Item(msgspec.Struct):
    type: str = "message"
    role: str = ""
    content: Content = None
    summary: Content = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    """Of a `custom_tool_call`, in place of arguments."""
    output: Content = None


class _Request(Sampled):
    model: str | None = None
    input: str | Annotated[list[_Item], Few] | None = None
    instructions: str | None = None
    previous_response_id: object = None
    conversation: object = None
    prompt: object = None


class _Usage(msgspec.Struct):
    input_tokens: Count | None = None
    output_tokens: Count | None = None


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class _Response(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: Annotated[list[_Item], Few] | None = None
    usage: _Usage | None = None
    incomplete_details: _Incomplete | None = None
    error: object = None


class _Event(msgspec.Struct):
    type: str | None = None
    object: str | None = None
    delta: str | None = None
    output_index: int | None = None
    item: _Item | None = None
    response: _Response | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")


def ask(body: bytes) -> Asked:
    """Read a request of `/v1/responses`.

    Raises:
        DataError: not such a request.
    """
    request = decode_json(body, _Request)
    messages: list[Message] = []
    if request.instructions:
        messages.append(Message(role="system", content=request.instructions))
    if isinstance(request.input, str):
        messages.append(Message(role="user", content=request.input))
    else:
        messages.extend(_messages(request.input or []))
    options = options_of(request)
    continued = any(getattr(request, name) for name in _KEPT_BY_SERVER)
    return Asked(
        model=request.model or "",
        messages=tuple(messages),
        options=options | NO_TURN if continued else options,
        background=is_probe(options),
    )


def fold(draft: Draft, content: bytes) -> None:
    """Take a response, or an event of its stream.

    Raises:
        DataError: of another shape.
    """
    event = decode_json(content, _Event)
    draft.failed = draft.failed or event.type == "error" or bytes(event.error) != b"null"
    if event.type in _TEXTS:
        draft.texts.append(event.delta or "")
    elif event.type in _THOUGHTS:
        draft.thoughts.append(event.delta or "")
    elif event.type == "response.output_item.done" and event.item is not None:
        _called(draft, event.output_index or 0, event.item)
    elif event.response is not None:
        _take(draft, event.response, last=event.type in _LAST)
    elif event.object == "response":
        _take(draft, decode_json(content, _Response), last=True)


def _take(draft: Draft, response: _Response, *, last: bool) -> None:
    draft.named(model=response.model, id=response.id)
    if not last:
        return
    if response.usage is not None:
        draft.counted(prompt=response.usage.input_tokens, answer=response.usage.output_tokens)
    draft.failed = draft.failed or bool(response.error)
    reason = response.incomplete_details.reason if response.incomplete_details else None
    draft.finish = "stop" if response.status == "completed" else "error"
    if response.status == "incomplete" and reason == "max_output_tokens":
        draft.finish = "length"
    if response.output:
        draft.clear()
    for index, item in enumerate(response.output or ()):
        if item.type == "message":
            draft.texts.append(read(item.content).text)
        elif item.type == "reasoning":
            draft.thoughts.append(read(item.content or item.summary).text)
        _called(draft, index, item)


def _called(draft: Draft, index: int, item: _Item) -> None:
    if item.type in _CALLS:
        draft.call(index, name=item.name or "", arguments=item.arguments or item.input or "")


def _messages(items: list[_Item]) -> list[Message]:
    messages: list[Message] = []
    for item in items:
        match item.type:
            case "message":
                content = read(item.content)
                messages.append(
                    Message(
                        role=role(item.role),
                        content=content.text,
                        attachments=content.attachments,
                        parts=content.parts,
                    )
                )
            case "function_call" | "custom_tool_call":
                call = ToolCall(name=item.name or "", arguments=item.arguments or item.input or "")
                messages.append(Message(role="assistant", content="", tool_calls=(call,)))
            case "function_call_output" | "custom_tool_call_output":
                content = read(item.output)
                messages.append(
                    Message(
                        role="tool",
                        content=content.text,
                        attachments=content.attachments,
                        parts=content.parts,
                    )
                )
            case "reasoning":
                pass
            case _:
                raise DataError(f"an item of a response has the unknown type {item.type[:40]!r}")
    return messages


openai_responses = Dialect(name="openai-responses", ask=ask, fold=fold, tells_length=False)
