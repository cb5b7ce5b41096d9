"""Anthropic's messages: content blocks, and a stream of events about them.

Source: anthropic-sdk-python `types/message.py`, `types/raw_message_stream_event.py`, `types/message_param.py`; Ollama
(`anthropic/anthropic.go`) and llama-server speak a part of it.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from laimark_sidecar.decoding import decode_json
from laimark_sidecar.gateway.dialects.dialect import Asked, Dialect
from laimark_sidecar.gateway.dialects.draft import Count, Draft, Few
from laimark_sidecar.gateway.dialects.parts import Content, Part, json_text, read
from laimark_sidecar.gateway.dialects.sampling import Sampled, is_probe, options_of
from laimark_sidecar.gateway.dialects.turns import role
from laimark_sidecar.journal.exchange import Finish, Message, ToolCall

_REASONS: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}
_CALLS = frozenset({"tool_use", "server_tool_use"})


class _Turn(msgspec.Struct):
    role: str
    content: Content = None


class _Thinking(msgspec.Struct):
    type: str = ""


class _Request(Sampled):
    model: str | None = None
    messages: Annotated[list[_Turn], Few] | None = None
    system: Content = None
    thinking: _Thinking | None = None


class _Usage(msgspec.Struct):
    input_tokens: Count | None = None
    """Without those that were read from a cache or written to one."""
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    output_tokens: Count | None = None


class _Delta(msgspec.Struct):
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class _Message(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    content: Annotated[list[Part], Few] | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    index: int | None = None
    content_block: Part | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None


def ask(body: bytes) -> Asked:
    """Read a request of `/v1/messages`.

    Raises:
        DataError: not such a request.
    """
    request = decode_json(body, _Request)
    system = read(request.system).text
    messages = [Message(role="system", content=system)] if system else []
    for turn in request.messages or ():
        messages.extend(_messages(turn))
    options = options_of(request)
    if request.thinking is not None:
        options["think"] = request.thinking.type != "disabled"
    return Asked(
        model=request.model or "",
        messages=tuple(messages),
        options=options,
        background=is_probe(options),
    )


def fold(draft: Draft, content: bytes) -> None:
    """Take a message, or an event of its stream.

    Raises:
        DataError: of another shape.
    """
    event = decode_json(content, _Event)
    draft.failed = draft.failed or event.type == "error"
    message = decode_json(content, _Message) if event.type == "message" else event.message
    if message is not None:
        draft.named(model=message.model, id=message.id)
        for index, block in enumerate(message.content or ()):
            _begun(draft, index, block, whole=True)
        _counted(draft, message.usage)
        _stopped(draft, message.stop_reason)
    if event.content_block is not None:
        _begun(draft, event.index or 0, event.content_block, whole=False)
    if event.delta is not None:
        _went_on(draft, event.index or 0, event.delta)
    _counted(draft, event.usage)


def _begun(draft: Draft, index: int, block: Part, *, whole: bool) -> None:
    if block.type in _CALLS:
        draft.call(index, name=block.name or "", arguments=json_text(block.input) if whole else "")
        return
    draft.texts.append(block.text or "")
    draft.thoughts.append(block.thinking or "")


def _went_on(draft: Draft, index: int, delta: _Delta) -> None:
    if delta.text:
        draft.texts.append(delta.text)
    if delta.thinking:
        draft.thoughts.append(delta.thinking)
    if delta.partial_json:
        draft.call(index, arguments=delta.partial_json)
    _stopped(draft, delta.stop_reason)


def _counted(draft: Draft, usage: _Usage | None) -> None:
    if usage is None:
        return
    prompt = usage.input_tokens
    if prompt is not None:
        prompt += (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    draft.counted(prompt=prompt, answer=usage.output_tokens)


def _stopped(draft: Draft, reason: str | None) -> None:
    if reason is not None:
        draft.stopped(reason, _REASONS)


def _messages(turn: _Turn) -> list[Message]:
    """Return a turn as the journal's messages: results of tools stand in front of what the user adds to them."""
    if not isinstance(turn.content, list):
        return [Message(role=role(turn.role), content=turn.content or "")]
    results = [read(part.content) for part in turn.content if part.type == "tool_result"]
    calls = [part for part in turn.content if part.type in _CALLS]
    rest = [part for part in turn.content if part.type not in _CALLS and part.type != "tool_result"]
    messages = [
        Message(role="tool", content=result.text, attachments=result.attachments, parts=result.parts)
        for result in results
    ]
    if rest or calls or not messages:
        content = read(rest)
        messages.append(
            Message(
                role=role(turn.role),
                content=content.text,
                attachments=content.attachments,
                parts=content.parts,
                tool_calls=tuple(
                    ToolCall(name=call.name or "", arguments=json_text(call.input)) for call in calls
                ),
            )
        )
    return messages


anthropic = Dialect(name="anthropic", ask=ask, fold=fold)
