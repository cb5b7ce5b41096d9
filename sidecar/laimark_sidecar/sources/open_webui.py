"""Open WebUI's chats and ratings, read from its database `webui.db`.

Layout of open-webui 0.6 to 0.9 (backend/open_webui/models/chats.py, chat_messages.py, feedbacks.py): `chat.chat` is JSON
with `history.messages` by id; since the table `chat_message` exists, its rows stand before that. Times are seconds.
"""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from laimark_sidecar.clock import Clock, SystemClock
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.journal.exchange import Exchange, Feedback
from laimark_sidecar.journal.reader import Fault
from laimark_sidecar.sources import foreign_database, watermark
from laimark_sidecar.sources.foreign_database import text
from laimark_sidecar.sources.open_webui_chat import Chat, read_chat
from laimark_sidecar.sources.source import SourceBatch
from laimark_sidecar.sources.watermark import Watermark, Watermarks

PROGRAM = "Open WebUI"
SETTLED_S = 2.0
"""Times are whole seconds: a chat is read when its second is over, or a second change in it would be missed."""
ANSWER_S = 3600.0
"""An answer's time is that of its beginning: one that began this long before the last look may have ended after it."""
_CHATS_A_READ = 50
_BYTES_A_READ = 8 << 20
"""Enough to read at once: while it is read, the owner of a database without WAL cannot write."""
_CAUGHT_UP = "caught up"
"""Everything that had changed by then was read."""
_CHAT = {"chat": ("id", "user_id", "chat", "updated_at")}
_ROWS = frozenset(
    {"id", "chat_id", "role", "parent_id", "content", "model_id", "done", "error", "created_at"}
)
_RATING = frozenset({"id", "type", "data", "meta", "updated_at"})


class OpenWebUISource:
    """Reads the `webui.db` at `path`, or in the folder `path`.

    Several people may use one Open WebUI: `client` of a record is `open-webui/` and the person's id there.
    """

    name = "open-webui"

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self._path = path / "webui.db" if path.is_dir() else path
        self._clock = clock or SystemClock()

    def read(self, cursor: bytes | None, *, max_lines: int = 1000) -> SourceBatch:
        marks = watermark.decode(cursor)
        if not self._path.is_file():
            return SourceBatch(records=(), faults=(), cursor=marks.encode(), more=False)
        with foreign_database.reading(self._path, program=PROGRAM) as connection:
            foreign_database.require(connection, self._path, program=PROGRAM, tables=_CHAT)
            held = _held(connection, marks, newest_s=self._clock.now_s() - SETTLED_S)
        return _Look(self._path, held).told(marks, max_lines)

    def people(self) -> tuple[str, ...]:
        if not self._path.is_file():
            return ()
        with foreign_database.reading(self._path, program=PROGRAM) as connection:
            foreign_database.require(connection, self._path, program=PROGRAM, tables=_CHAT)
            rows = connection.execute("SELECT DISTINCT user_id FROM chat ORDER BY user_id").fetchall()
        return tuple(text(row[0]) for row in rows)

    def watch(self) -> tuple[Path, ...]:
        return (self._path,)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A chat as it lies in the database."""

    mark: Watermark
    id: str
    user_id: str
    body: object
    rows: list[tuple[Any, ...]]

    @property
    def size_bytes(self) -> int:
        return sum(
            len(value) for row in ((self.body,), *self.rows) for value in row if isinstance(value, bytes)
        )


@dataclass(frozen=True, slots=True)
class _Rated:
    """A rating, and the chat that it is about."""

    mark: Watermark
    data: object
    meta: object
    chat: _Stored | None


@dataclass(frozen=True, slots=True)
class _Held:
    """What one look found. Nothing is made of it while the database is open: its owner could not write meanwhile."""

    chats: list[_Stored]
    ratings: list[_Rated]
    whole: bool
    """Whether there are no more chats than these."""
    rates_in_rows: bool
    """Whether ratings have a table of their own."""


def _held(connection: sqlite3.Connection, marks: Watermarks, *, newest_s: float) -> _Held:
    """Return the next chats, and when there are none the next ratings: a rating follows the answer it is about."""
    after = marks.of("chat")
    rates = foreign_database.columns_of(connection, "feedback") >= _RATING
    found = connection.execute(
        "SELECT rowid, updated_at FROM chat WHERE (updated_at, id) > (?, ?) AND updated_at <= ?"
        " ORDER BY updated_at, id LIMIT ?",
        (after.time_s, after.key, newest_s, _CHATS_A_READ + 1),
    ).fetchall()
    room = _BYTES_A_READ
    chats: list[_Stored] = []
    for row, _ in found[:_CHATS_A_READ]:
        if room <= 0:
            break
        # One at a time: pictures stand in the JSON, so a chat may have many megabytes.
        chats += _stored(connection, "rowid = ?", row)
        room -= chats[-1].size_bytes
    ratings = _ratings(connection, marks.of("feedback"), newest_s) if rates and not chats else []
    return _Held(chats, ratings, whole=len(chats) == len(found), rates_in_rows=rates)


def _ratings(connection: sqlite3.Connection, after: Watermark, newest_s: float) -> list[_Rated]:
    found = connection.execute(
        "SELECT id, data, meta, updated_at FROM feedback WHERE type = 'rating' AND (updated_at, id) > (?, ?)"
        " AND updated_at <= ? ORDER BY updated_at, id LIMIT ?",
        (after.time_s, after.key, newest_s, _CHATS_A_READ),
    ).fetchall()
    room = _BYTES_A_READ
    ratings: list[_Rated] = []
    for row_id, data, meta, updated_s in found:
        if room <= 0:
            break
        about = connection.execute(
            "SELECT CASE WHEN json_valid(?1) THEN json_extract(?1, '$.chat_id') END",
            (text(meta),),
        ).fetchone()[0]
        chat = next(iter(_stored(connection, "id = ?", text(about))), None)
        room -= 0 if chat is None else chat.size_bytes
        ratings.append(_Rated(Watermark(time_s=float(updated_s), key=text(row_id)), data, meta, chat))
    return ratings


def _stored(connection: sqlite3.Connection, which: str, value: object) -> list[_Stored]:
    rows = connection.execute(
        f"SELECT id, user_id, chat, updated_at FROM chat WHERE {which}",  # noqa: S608 - a constant
        (value,),
    ).fetchall()
    columns = foreign_database.columns_of(connection, "chat_message")
    beside = "files, sources" if {"files", "sources"} <= columns else "NULL, NULL"
    return [
        _Stored(
            mark=Watermark(time_s=float(updated_s), key=text(chat_id)),
            id=text(chat_id),
            user_id=text(user_id),
            body=body,
            rows=connection.execute(
                "SELECT id, role, parent_id, content, model_id, done, error, created_at, "  # noqa: S608 - constants
                f"{beside} FROM chat_message WHERE chat_id = ?",
                (text(chat_id),),
            ).fetchall()
            if columns >= _ROWS
            else [],
        )
        for chat_id, user_id, body, updated_s in rows
    ]


class _Look:
    """Makes records of what one look found."""

    def __init__(self, path: Path, held: _Held) -> None:
        self._path = path
        self._held = held
        self._faults: list[Fault] = []

    def told(self, marks: Watermarks, max_lines: int) -> SourceBatch:
        """Return the records, and how far the database was read with them."""
        before = marks
        since_s = marks.of(_CAUGHT_UP).time_s - ANSWER_S
        records: list[Exchange | Feedback] = []
        too_long = 0
        for stored in self._held.chats:
            if len(records) >= max_lines:
                break
            chat = self._chat(stored)
            if chat is not None:
                records += chat.records(since_s, ratings=not self._held.rates_in_rows)
                too_long += chat.too_long(since_s)
            marks = marks.moved("chat", stored.mark)
        else:
            if self._held.whole:
                # A chat that changes from now on was read before: of it only what is new is told again.
                marks = _moved(marks, _CAUGHT_UP, marks.of("chat"))
        for rated in self._held.ratings:
            if len(records) >= max_lines:
                break
            records += self._rating(rated)
            marks = marks.moved("feedback", rated.mark)
        return SourceBatch(
            records=tuple(records),
            faults=tuple(self._faults),
            cursor=marks.encode(),
            more=any(marks.of(table) != before.of(table) for table in ("chat", "feedback")),
            too_long=too_long,
        )

    def _rating(self, rated: _Rated) -> list[Exchange | Feedback]:
        row_id, time_s = rated.mark.key, rated.mark.time_s
        rating, about = self._json(rated.data, row_id).get("rating"), self._json(rated.meta, row_id)
        chat = None if rated.chat is None else self._chat(rated.chat)
        exchange = None if chat is None else chat.exchange(str(about.get("message_id")))
        kind = {"1": "accept", "-1": "reject"}.get(str(rating))
        if exchange is None or kind is None:
            return []  # the chat or the answer was deleted, or the thumb was taken back
        digest = hashlib.sha256(f"open-webui\0{row_id}\0{kind}\0{exchange.id}".encode()).hexdigest()[:32]
        about_it = Feedback(
            id=digest,
            time_s=time_s,
            source=exchange.source,
            exchange_id=exchange.id,
            kind="accept" if kind == "accept" else "reject",
        )
        return [exchange, about_it]

    def _chat(self, stored: _Stored) -> Chat | None:
        rows = [self._row(stored.id, row) for row in stored.rows]
        chat = read_chat(self._json(stored.body, stored.id), rows, chat_id=stored.id, user_id=stored.user_id)
        if chat is None:
            self._fault(stored.id, "no messages where Open WebUI keeps them")
        return chat

    def _row(self, chat_id: str, row: tuple[Any, ...]) -> dict[str, Any]:
        return {
            "id": text(row[0]).removeprefix(f"{chat_id}-"),
            "role": text(row[1]),
            "parentId": text(row[2]),
            "content": self._any(row[3], chat_id),
            "model": text(row[4]),
            "done": row[5] is None or bool(row[5]),
            "error": self._any(row[6], chat_id),
            "timestamp": row[7],
            "files": self._any(row[8], chat_id),
            "sources": self._any(row[9], chat_id),
        }

    def _any(self, value: object, key: str) -> Any:
        if not isinstance(value, bytes):
            return None
        try:
            return decode_json(value, Any)
        except MalformedError as error:
            self._fault(key, str(error))
            return None

    def _json(self, value: object, key: str) -> dict[str, Any]:
        found = self._any(value, key)
        return found if isinstance(found, dict) else {}

    def _fault(self, key: str, reason: str) -> None:
        self._faults.append(Fault(segment=f"{self._path.name}/{key[:60]}", offset=0, reason=reason[:200]))


def _moved(marks: Watermarks, table: str, mark: Watermark) -> Watermarks:
    return marks if marks.of(table) == mark else marks.moved(table, mark)
