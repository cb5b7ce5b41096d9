"""The messages of a chat, as OpenAI and Ollama write them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from laimark_sidecar.errors import DataError
from laimark_sidecar.gateway.dialects.draft import Few
from laimark_sidecar.gateway.dialects.parts import Content, Images, json_text, read
from laimark_sidecar.journal.exchange import Message, Role, ToolCall

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


class Function(msgspec.Struct):
    """What is called. Arguments are a text of JSON at OpenAI, an object at Ollama."""

    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw(b"")


class Call(msgspec.Struct):
    """A tool call or, in a stream, a piece of one."""

    function: Function | None = None
    index: int | None = None


Calls = Annotated[list[Call], Few] | None


class Turn(msgspec.Struct):
    """One message. What an assistant thought in an earlier turn is dropped, as every template does."""

    role: str
    content: Content = None
    images: Images = None
    tool_calls: Calls = None
    function_call: Function | None = None


def message(turn: Turn) -> Message:
    """Return a message as the journal keeps it.

    Raises:
        DataError: an unknown role or type of content.
    """
    content = read(turn.content, turn.images)
    return Message(
        role=role(turn.role),
        content=content.text,
        tool_calls=tuple(
            ToolCall(name=function.name or "", arguments=json_text(function.arguments))
            for function in functions(turn.tool_calls, turn.function_call)
        ),
        attachments=content.attachments,
        parts=content.parts,
    )


def role(name: str) -> Role:
    """Return the journal's role of that name.

    Raises:
        DataError: there is none.
    """
    known = ROLES.get(name)
    if known is None:
        raise DataError("a message has a role that is not known")
    return known


def functions(calls: Calls, legacy: Function | None) -> list[Function]:
    """Return what is called, the old single `function_call` included."""
    called = [call.function for call in calls or () if call.function is not None]
    return [*called, legacy] if legacy is not None else called
