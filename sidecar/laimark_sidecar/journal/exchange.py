"""One line of the conversation log: an exchange with a model, or feedback on an earlier one.

A line is a JSON object whose `type` says which; unknown fields are an error, because a line that is half understood
would be half learned. Format version 2 added thinking, tool calls, attachments, `parts` and `background`, with defaults,
so a line of version 1 is a line of version 2.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError

FORMAT_VERSION = 2
Role = Literal["system", "user", "assistant", "tool"]
Finish = Literal["stop", "length", "aborted", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A function that an answer asked its client to call."""

    name: str
    arguments: str
    """JSON as the model wrote it; not checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn. `content` is plain text; of an attachment only its digest reaches the journal."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    """What an `assistant` message asked to call."""
    attachments: tuple[str, ...] = ()
    """sha256 (hex) of each image, audio or file, in order."""
    parts: int = field(default=1, compare=False)
    """Texts joined into `content`: of several, nobody knows which one was typed. It makes no other message of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request with its whole history, and the answer it got."""

    id: str
    """`exchange_id` of the content: reading a line twice is harmless."""
    time_s: float
    source: str
    client: str
    model: str
    """The name that the client asked for."""
    base_sha256: str
    """sha256 of the GGUF that answered; empty where a source cannot know."""
    adapter_version: str
    """Immutable name of the version that answered; empty for the base."""
    messages: tuple[Message, ...]
    answer: str
    finish: Finish
    prompt_tokens: int = 0
    answer_tokens: int = 0
    truncated: bool = False
    """The prompt was cut to fit the context: not training data."""
    options: dict[str, float | int | str | bool | None] = field(default_factory=dict)
    """Sampling options of the request."""
    thinking: str = ""
    """What the model thought before `answer`, where it was told apart: never a target."""
    tool_calls: tuple[ToolCall, ...] = ()
    """What the answer asked to call."""
    background: bool = False
    """A client asked this by itself (a title, tags, a completion while typing), not its user."""
    version: int = FORMAT_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What the user did with an answer, told by a client that knows: thumbs, accept, edited text."""

    id: str
    time_s: float
    source: str
    exchange_id: str
    kind: Literal["accept", "reject", "edit"]
    text: str = ""
    """The whole answer as the user edited it (`edit` only)."""
    version: int = FORMAT_VERSION


_END_OF_TIME_S = 253_402_300_800  # the year 10000: beyond it there are no dates
type_names = {"exchange": Exchange, "feedback": Feedback}


def exchange_id(*, time_s: float, source: str, messages: tuple[Message, ...], answer: str) -> str:
    """Return the content hash that identifies an exchange: 32 hex digits of sha256.

    The time is part of it (to the millisecond), so asking the same thing twice is two exchanges (a regeneration).
    """
    digest = hashlib.sha256(f"{time_s:.3f}\0{source}\0".encode())
    for message in messages:
        digest.update(f"{message.role}\0{message.content}\0".encode("utf-8", "surrogatepass"))
        digest.update(beside_text(message))
    digest.update(answer.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def beside_text(message: Message) -> bytes:
    """Return what tells messages of one text apart; empty for plain text, whose ids are those of version 1."""
    parts = [part for call in message.tool_calls for part in ("call", call.name, call.arguments)]
    parts += [part for digest in message.attachments for part in ("file", digest)]
    return "".join(f"{part}\0" for part in parts).encode("utf-8", "surrogatepass")


def encode(record: Exchange | Feedback) -> bytes:
    """Return the record as one line of JSON with its newline."""
    kind = b"exchange" if isinstance(record, Exchange) else b"feedback"
    return b'{"type":"' + kind + b'",' + msgspec.json.encode(record)[1:] + b"\n"


class _Header(msgspec.Struct):
    type: str
    version: int


def decode(line: bytes) -> Exchange | Feedback:
    """Parse one line.

    Raises:
        DataError: not JSON, not UTF-8, an unknown type, role or version, no possible time; says which. Never shows prompt text.
    """
    try:
        header = decode_json(line, _Header)
        if header.version > FORMAT_VERSION:
            raise DataError(
                f"journal line has format version {header.version}, this program reads up to {FORMAT_VERSION}",
                hint="upgrade laimark-sidecar",
            )
        kind = type_names.get(header.type)
        if kind is None:
            raise DataError(
                f"journal line has unknown type {header.type[:40]!r}, expected 'exchange' or 'feedback'"
            )
        content = _content(line)
        record: Exchange | Feedback = msgspec.convert(content, type=kind, strict=True)
    except (MalformedError, msgspec.ValidationError) as error:
        raise DataError(f"journal line is malformed: {_reason(error)}") from error
    _refuse_unknown(content, kind, record)
    if not 0 <= record.time_s < _END_OF_TIME_S:
        raise DataError(f"journal line has time_s {record.time_s}, expected seconds since 1970")
    return record


def _content(line: bytes) -> dict[str, Any]:
    content = decode_json(line, dict[str, Any])
    del content["type"]
    return content


def _reason(error: Exception) -> str:
    """Return what msgspec says, without a refused role or the like: it quotes the value, which may be prompt text."""
    said, at, place = str(error).rpartition(" - at `$")
    return f"Invalid enum value{at}{place}" if said.startswith("Invalid enum value") else str(error)


def _refuse_unknown(content: dict[str, Any], kind: type, record: Exchange | Feedback) -> None:
    unknown = content.keys() - {known.name for known in fields(kind)}
    if isinstance(record, Exchange):
        unknown |= _unknown_in(content["messages"], Message)
        calls = [
            content.get("tool_calls", ()),
            *(message.get("tool_calls", ()) for message in content["messages"]),
        ]
        unknown |= _unknown_in([call for made in calls for call in made], ToolCall)
    if unknown:
        raise DataError(f"journal line has {len(unknown)} unknown fields, for example {min(unknown)[:40]!r}")


def _unknown_in(objects: list[dict[str, Any]], kind: type) -> set[str]:
    known = {one.name for one in fields(kind)}
    return {name for each in objects for name in each.keys() - known}
