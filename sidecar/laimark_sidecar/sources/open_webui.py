"""Open WebUI's chats and ratings, read from its database `webui.db`.

Layout of open-webui 0.6 to 0.9 (backend/open_webui/models/chats.py, chat_messages.py, feedbacks.py): `chat.chat` is JSON
with `history.messages` by id; since the table `chat_message` exists, its rows stand before that. Times are seconds.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
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
            look = _Look(connection, self._path, newest_s=self._clock.now_s() - SETTLED_S)
            return look.read(marks, max_lines)

    def people(self) -> tuple[str, ...]:
        if not self._path.is_file():
            return ()
        with foreign_database.reading(self._path, program=PROGRAM) as connection:
            foreign_database.require(connection, self._path, program=PROGRAM, tables=_CHAT)
            rows = connection.execute("SELECT DISTINCT user_id FROM chat ORDER BY user_id").fetchall()
        return tuple(text(row[0]) for row in rows)

    def watch(self) -> tuple[Path, ...]:
        return (self._path.parent,)


class _Look:
    """One look at one state of the database."""

    def __init__(self, connection: sqlite3.Connection, path: Path, *, newest_s: float) -> None:
        self._connection = connection
        self._path = path
        self._newest_s = newest_s
        self._rated = foreign_database.columns_of(connection, "feedback") >= _RATING
        self._in_rows = foreign_database.columns_of(connection, "chat_message") >= _ROWS
        self._faults: list[Fault] = []

    def read(self, marks: Watermarks, max_lines: int) -> SourceBatch:
        """Return the next chats, and when there are none the next ratings: a rating follows the answer it is about."""
        records: list[Exchange | Feedback] = []
        started = marks.of("chat")
        since_s = marks.of(_CAUGHT_UP).time_s - ANSWER_S
        for mark, found in self._chats(marks.of("chat"), since_s):
            records += found
            marks = marks.moved("chat", mark)
            if len(records) >= max_lines:
                break
        else:
            # A chat that changes from now on was read before: of it only what is new is told again.
            marks = _moved(marks, _CAUGHT_UP, marks.of("chat"))
        rated = marks.of("feedback")
        if marks.of("chat") == started and self._rated:
            for mark, found in self._ratings(rated):
                records += found
                marks = marks.moved("feedback", mark)
                if len(records) >= max_lines:
                    break
        return SourceBatch(
            records=tuple(records),
            faults=tuple(self._faults),
            cursor=marks.encode(),
            more=(marks.of("chat"), marks.of("feedback")) != (started, rated),
        )

    def _chats(
        self, after: Watermark, since_s: float
    ) -> Iterator[tuple[Watermark, list[Exchange | Feedback]]]:
        rows = self._connection.execute(
            "SELECT rowid, id, user_id, updated_at FROM chat WHERE (updated_at, id) > (?, ?) AND updated_at <= ?"
            " ORDER BY updated_at, id LIMIT ?",
            (after.time_s, after.key, self._newest_s, _CHATS_A_READ),
        ).fetchall()
        for row, chat_id, user_id, updated_s in rows:
            # One at a time: pictures stand in the JSON, so a chat may have many megabytes.
            (body,) = self._connection.execute("SELECT chat FROM chat WHERE rowid = ?", (row,)).fetchone()
            chat = self._chat(text(chat_id), text(user_id), body)
            mark = Watermark(time_s=float(updated_s), key=text(chat_id))
            yield mark, [] if chat is None else list(chat.records(since_s, ratings=not self._rated))

    def _ratings(self, after: Watermark) -> Iterator[tuple[Watermark, list[Exchange | Feedback]]]:
        rows = self._connection.execute(
            "SELECT id, data, meta, updated_at FROM feedback WHERE type = 'rating' AND (updated_at, id) > (?, ?)"
            " AND updated_at <= ? ORDER BY updated_at, id LIMIT ?",
            (after.time_s, after.key, self._newest_s, _CHATS_A_READ),
        ).fetchall()
        for row_id, data, meta, updated_s in rows:
            mark = Watermark(time_s=float(updated_s), key=text(row_id))
            yield mark, self._rating(text(row_id), data, meta, float(updated_s))

    def _rating(self, row_id: str, data: object, meta: object, time_s: float) -> list[Exchange | Feedback]:
        rating, about = self._json(data, row_id).get("rating"), self._json(meta, row_id)
        chat_id = about.get("chat_id")
        row = self._connection.execute(
            "SELECT id, user_id, chat FROM chat WHERE id = ?", (chat_id if isinstance(chat_id, str) else "",)
        ).fetchone()
        chat = None if row is None else self._chat(text(row[0]), text(row[1]), row[2])
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

    def _chat(self, chat_id: str, user_id: str, body: object) -> Chat | None:
        rows: list[dict[str, Any]] = self._rows(chat_id) if self._in_rows else []
        chat = read_chat(self._json(body, chat_id), rows, chat_id=chat_id, user_id=user_id)
        if chat is None:
            self._fault(chat_id, "no messages where Open WebUI keeps them")
        return chat

    def _rows(self, chat_id: str) -> list[dict[str, Any]]:
        rows = self._connection.execute(
            "SELECT id, role, parent_id, content, model_id, done, error, created_at, files, sources FROM chat_message"
            " WHERE chat_id = ?"
            if {"files", "sources"} <= foreign_database.columns_of(self._connection, "chat_message")
            else "SELECT id, role, parent_id, content, model_id, done, error, created_at, NULL, NULL FROM chat_message"
            " WHERE chat_id = ?",
            (chat_id,),
        )
        return [
            {
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
            for row in rows
        ]

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
