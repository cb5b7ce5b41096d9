"""llm's calls as they are logged since 0.32: a row of `turns`, its messages a chain of hashes with parts."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.journal.exchange import Exchange, Message, Role, ToolCall
from laimark_sidecar.sources.branches import MAX_DEPTH
from laimark_sidecar.sources.foreign_database import text
from laimark_sidecar.sources.llm_call import call, count
from laimark_sidecar.sources.times import seconds

TABLES = {
    "turns": (
        "id",
        "parent_message_hash",
        "tip_message_hash",
        "model",
        "resolved_model",
        "input_tokens",
        "output_tokens",
        "datetime_utc",
    ),
    "messages": ("hash", "parent_hash", "role"),
    "parts": ("id", "message_hash", "position", "type", "text", "payload"),
    "fragments": ("id", "content"),
}
_ROLES: dict[str, Role] = {"system": "system", "assistant": "assistant", "tool": "tool"}
_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHAIN = """WITH RECURSIVE chain (hash, parent, role, depth) AS (
    SELECT hash, parent_hash, role, 0 FROM messages WHERE hash = ?
    UNION ALL
    SELECT messages.hash, messages.parent_hash, messages.role, depth + 1
    FROM chain JOIN messages ON messages.hash = chain.parent WHERE depth < ?)
    SELECT chain.hash, chain.role, parts.type, parts.text, parts.payload, parts.id
    FROM chain LEFT JOIN parts ON parts.message_hash = chain.hash ORDER BY depth DESC, position"""


@dataclass(slots=True)
class _Read:
    """A message while its parts are read."""

    hash: str
    role: str
    texts: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)

    def message(self) -> Message:
        return Message(
            role=_ROLES.get(self.role, "user"),
            content="".join(self.texts),
            tool_calls=tuple(self.calls),
            attachments=tuple(self.attachments),
        )


def turns(connection: sqlite3.Connection, rowid: int, limit: int) -> Iterator[tuple[int, Exchange | str]]:
    """Return the rows behind `rowid`, each an exchange, or why it is none."""
    rows = connection.execute(
        f"SELECT rowid, {', '.join(TABLES['turns'])} FROM turns WHERE rowid > ? ORDER BY rowid LIMIT ?",  # noqa: S608 - names of ours
        (rowid, limit),
    ).fetchall()
    for row in rows:
        try:
            yield row[0], _turn(connection, row)
        except (MalformedError, ValueError, TypeError) as error:
            yield row[0], f"turn {text(row[1])[:40]}: {type(error).__name__}"


def _turn(connection: sqlite3.Connection, row: tuple[object, ...]) -> Exchange | str:
    _, name, parent, tip, model, resolved, asked, answered, time = row
    chain = _chain(connection, text(tip))
    hashes = [one.hash for one in chain]
    begins = hashes.index(text(parent)) + 1 if text(parent) in hashes else 0
    own = chain[begins:]
    if not chain or (text(parent) and not begins) or len(chain) > MAX_DEPTH:
        return f"turn {text(name)[:40]}: its chain of messages is incomplete"
    said = [one for one in own if one.role == "assistant"]
    return call(
        time_s=seconds(text(time)),
        model=text(resolved) or text(model),
        messages=tuple(one.message() for one in chain[:begins]),
        answer="".join("".join(one.texts) for one in said),
        thinking="".join("".join(one.thinking) for one in said),
        tool_calls=tuple(made for one in said for made in one.calls),
        prompt_tokens=count(asked),
        answer_tokens=count(answered),
    )


def _chain(connection: sqlite3.Connection, tip: str) -> list[_Read]:
    found: list[_Read] = []
    for digest, role, kind, literal, payload, _ in connection.execute(_CHAIN, (tip, MAX_DEPTH)):
        if not found or found[-1].hash != text(digest):
            found.append(_Read(text(digest), text(role)))
        if kind is not None:
            _take(connection, found[-1], text(kind), literal, payload)
    return found


def _take(connection: sqlite3.Connection, into: _Read, kind: str, literal: object, payload: object) -> None:
    held: dict[str, Any] = decode_json(payload, dict[str, Any]) if isinstance(payload, bytes) else {}
    match kind:
        case "text":
            into.texts.append(_text(connection, literal, held))
        case "reasoning":
            into.thinking.append(_text(connection, literal, held))
        case "tool_call":
            arguments = msgspec.json.encode(held.get("arguments")).decode()
            into.calls.append(ToolCall(name=str(held.get("name", "")), arguments=arguments))
        case "tool_result":
            into.texts.append(str(held.get("output", "")))
        case _:
            # An attachment, or a kind of part that a later llm has: the model saw something that is not text.
            into.attachments.append(_digest(payload))


def _text(connection: sqlite3.Connection, literal: object, payload: dict[str, Any]) -> str:
    """Return a part's text: raw, or pieces of it and of fragments that several prompts share."""
    if literal is not None:
        return text(literal)
    pieces = payload.get("text_ref")
    if not isinstance(pieces, list):
        return str(payload.get("text", ""))
    return "".join(_piece(connection, piece) for piece in pieces if isinstance(piece, dict))


def _piece(connection: sqlite3.Connection, piece: dict[str, Any]) -> str:
    if "literal" in piece:
        return str(piece["literal"])
    row = connection.execute(
        "SELECT content FROM fragments WHERE id = ?", (str(piece.get("fragment")),)
    ).fetchone()
    if row is None:
        raise ValueError("a fragment is missing")
    return text(row[0])


def _digest(payload: object) -> str:
    content = payload if isinstance(payload, bytes) else b""
    known = _DIGEST.search(content.decode(errors="replace"))
    return known[0] if known else hashlib.sha256(content).hexdigest()
