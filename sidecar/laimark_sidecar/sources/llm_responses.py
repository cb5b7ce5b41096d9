"""llm's calls as they were logged before 0.32: a row of `responses`, its conversation's earlier rows are its history."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator

from laimark_sidecar.journal.exchange import Exchange, Message
from laimark_sidecar.sources.branches import MAX_DEPTH
from laimark_sidecar.sources.foreign_database import text
from laimark_sidecar.sources.llm_call import call, count
from laimark_sidecar.sources.times import seconds

COLUMNS = ("id", "model", "prompt", "system", "response", "conversation_id", "datetime_utc")
_REMEMBERED = 4096
"""Conversations whose history is at hand: `conversation_id` has no index, so each question reads the whole table."""
_FRESH_S = 120.0
"""A conversation's id tells when it began (ULID): a row as young as that is its first."""
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_History = tuple[Message, ...]


class Responses:
    """Reads the table in order, with the histories of the conversations that it came by."""

    def __init__(self) -> None:
        self._histories: OrderedDict[str, tuple[int, _History]] = OrderedDict()

    def after(
        self, connection: sqlite3.Connection, rowid: int, limit: int
    ) -> Iterator[tuple[int, Exchange | str]]:
        """Return the rows behind `rowid`, each an exchange, or why it is none."""
        rows = connection.execute(
            f"SELECT rowid, {', '.join(COLUMNS)}, "  # noqa: S608 - names of ours
            f"{_optional(connection, 'resolved_model')}, {_optional(connection, 'reasoning')}, "
            f"{_optional(connection, 'input_tokens')}, {_optional(connection, 'output_tokens')}"
            " FROM responses WHERE rowid > ? ORDER BY rowid LIMIT ?",
            (rowid, limit),
        ).fetchall()
        for row in rows:
            yield row[0], self._read(connection, row)

    def _read(self, connection: sqlite3.Connection, row: tuple[object, ...]) -> Exchange | str:
        (
            number,
            _,
            model,
            _,
            system,
            response,
            conversation,
            time,
            resolved,
            reasoning,
            asked,
            answered,
        ) = row
        try:
            time_s = seconds(text(time))
        except ValueError:
            return f"datetime_utc is {text(time)[:40]!r}"
        assert isinstance(number, int)
        history = self._history(connection, text(conversation), number, time_s)
        if len(history) > MAX_DEPTH:
            self._remember(text(conversation), number, history)
            return f"response {number}: its conversation has more than {MAX_DEPTH} messages"
        # The instructions of a conversation are logged once, with its first call, and hold for all of it.
        begun: _History = (
            () if history or not text(system) else (Message(role="system", content=text(system)),)
        )
        messages = (*history, *begun, _asked(connection, row))
        answer = text(response)
        self._remember(text(conversation), number, (*messages, Message(role="assistant", content=answer)))
        return call(
            time_s=time_s,
            model=text(resolved) or text(model),
            messages=messages,
            answer=answer,
            thinking=text(reasoning),
            prompt_tokens=count(asked),
            answer_tokens=count(answered),
        )

    def _history(
        self, connection: sqlite3.Connection, conversation: str, before: int, time_s: float
    ) -> _History:
        known = self._histories.get(conversation)
        if known is not None and known[0] < before:
            return known[1]
        began_s = _began_s(conversation)
        if not conversation or (began_s is not None and time_s - began_s < _FRESH_S and known is None):
            return ()
        rows = connection.execute(
            f"SELECT rowid, {', '.join(COLUMNS)} FROM responses"  # noqa: S608 - names of ours
            " WHERE conversation_id = ? AND rowid < ? ORDER BY rowid LIMIT ?",
            (conversation, before, MAX_DEPTH),
        )
        history: _History = ()
        for row in rows:
            if not history and text(row[4]):
                history = (Message(role="system", content=text(row[4])),)
            asked = _asked(connection, row)
            history = (*history, asked, Message(role="assistant", content=text(row[5])))
        return history

    def _remember(self, conversation: str, number: int, history: _History) -> None:
        if not conversation:
            return
        self._histories[conversation] = (number, history)
        self._histories.move_to_end(conversation)
        if len(self._histories) > _REMEMBERED:
            self._histories.popitem(last=False)


def _asked(connection: sqlite3.Connection, row: tuple[object, ...]) -> Message:
    """Return what was asked, with the fragments that llm put before it."""
    try:
        fragments = connection.execute(
            "SELECT content FROM prompt_fragments JOIN fragments ON fragments.id = fragment_id WHERE response_id = ?"
            ' ORDER BY "order"',
            (text(row[1]),),
        ).fetchall()
    except sqlite3.OperationalError:
        fragments = []  # versions before fragments have no such table
    content = "\n".join([*(text(each[0]) for each in fragments), text(row[3])])
    return Message(role="user", content=content, parts=1 + len(fragments))


def _optional(connection: sqlite3.Connection, column: str) -> str:
    """Return a column's name, or NULL for versions of llm that do not have it yet."""
    held = connection.execute(
        "SELECT 1 FROM pragma_table_info('responses') WHERE name = ?", (column,)
    ).fetchone()
    return column if held else "NULL"


def _began_s(ulid: str) -> float | None:
    """Return the time in a ULID, seconds since 1970 (github.com/ulid/spec: 48 bits of milliseconds come first)."""
    digits = [_CROCKFORD.find(letter) for letter in ulid[:10].lower()]
    if len(ulid) != 26 or -1 in digits:
        return None
    number = 0
    for digit in digits:
        number = number * 32 + digit
    return number / 1000
