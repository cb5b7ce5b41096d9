"""One line of the conversation log: an exchange with a model, or feedback on an earlier one.

Format version 1. A line is a JSON object whose `type` says which; unknown fields are an error, because a line
that is half understood would be half learned.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError

FORMAT_VERSION = 1
Role = Literal["system", "user", "assistant", "tool"]
Finish = Literal["stop", "length", "aborted", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn. `content` is plain text; attachments never reach the journal."""

    role: Role
    content: str


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
    digest.update(answer.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


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
        known = {one.name for one in fields(Message)}
        unknown = unknown.union(*(message.keys() - known for message in content["messages"]))
    if unknown:
        raise DataError(f"journal line has {len(unknown)} unknown fields, for example {min(unknown)[:40]!r}")
