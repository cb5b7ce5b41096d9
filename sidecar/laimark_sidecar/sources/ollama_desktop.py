"""The chats of Ollama's desktop app, read from its database `db.sqlite`.

Layout of ollama 0.11 to 0.34 (app/store/database.go, schema versions 4 to 18). A row of `messages` is rewritten while
its answer is streamed, so it is read once it has been still for a while.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from laimark_sidecar.clock import Clock, SystemClock
from laimark_sidecar.journal.exchange import Exchange, Message, Role, ToolCall
from laimark_sidecar.journal.reader import Fault
from laimark_sidecar.sources import foreign_database, watermark
from laimark_sidecar.sources.branches import MAX_DEPTH
from laimark_sidecar.sources.foreign_database import text
from laimark_sidecar.sources.source import SourceBatch
from laimark_sidecar.sources.times import seconds
from laimark_sidecar.sources.told_exchange import told_exchange
from laimark_sidecar.sources.watermark import Watermark

PROGRAM = "Ollama's desktop app"
STILL_S = 60.0
_TABLES = {
    "messages": ("id", "chat_id", "role", "content", "thinking", "model_name", "created_at", "updated_at"),
    "tool_calls": ("id", "message_id", "function_name", "function_arguments"),
    "attachments": ("id", "message_id", "data"),
}
_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "tool": "tool"}
_KEY = ("chat_id", "created_at")
_ROW = "id, chat_id, role, content, thinking, model_name, created_at, updated_at"


class OllamaDesktopSource:
    """Reads the `db.sqlite` at `path`, or in the folder `path`."""

    name = "ollama-desktop"

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self._path = path / "db.sqlite" if path.is_dir() else path
        self._clock = clock or SystemClock()

    def read(self, cursor: bytes | None, *, max_lines: int = 1000) -> SourceBatch:
        marks = watermark.decode(cursor)
        if not self._path.is_file():
            return SourceBatch(records=(), faults=(), cursor=marks.encode(), more=False)
        mark = marks.of("messages")
        rows = min(max_lines, foreign_database.ROWS_A_READ)
        records: list[Exchange] = []
        faults: list[Fault] = []
        with foreign_database.reading(self._path, program=PROGRAM) as connection:
            foreign_database.require(connection, self._path, program=PROGRAM, tables=_TABLES)
            same = foreign_database.row_key(connection, "messages", int(mark.time_s), _KEY) == mark.key
            after = last = int(mark.time_s) if same else 0
            for row_id, found in _answers(connection, after, rows, self._clock.now_s() - STILL_S):
                last = row_id
                if isinstance(found, Exchange):
                    records.append(found)
                elif found:
                    faults.append(Fault(segment=f"{self._path.name}/messages", offset=row_id, reason=found))
            if last != after:
                key = foreign_database.row_key(connection, "messages", last, _KEY)
                marks = marks.moved("messages", Watermark(time_s=float(last), key=key))
        return SourceBatch(
            records=tuple(records), faults=tuple(faults), cursor=marks.encode(), more=last != after
        )

    def watch(self) -> tuple[Path, ...]:
        return (self._path,)


def _answers(
    connection: sqlite3.Connection, after: int, limit: int, still_s: float
) -> Iterator[tuple[int, Exchange | str]]:
    """Return the messages behind a row, up to the first that may still be written: an exchange, or why it is none."""
    rows = connection.execute(
        f"SELECT {_ROW} FROM messages WHERE id > ? ORDER BY id LIMIT ?",  # noqa: S608 - names of ours
        (after, limit),
    ).fetchall()
    told: dict[object, Message] = {}  # by row: the answers of a chat share what came before them
    for row in rows:
        try:
            if still_s < seconds(text(row[7])):
                return
            yield row[0], _exchange(connection, row, told) if text(row[2]) == "assistant" else ""
        except ValueError as error:
            yield row[0], f"message {row[0]}: {str(error)[:100]}"


def _exchange(
    connection: sqlite3.Connection, row: tuple[object, ...], told: dict[object, Message]
) -> Exchange | str:
    number, chat_id, _, content, thinking, model, created, _ = row
    before = connection.execute(
        f"SELECT {_ROW} FROM messages WHERE chat_id = ? AND id < ? ORDER BY id LIMIT ?",  # noqa: S608 - names of ours
        (text(chat_id), number, MAX_DEPTH + 1),
    ).fetchall()
    if len(before) > MAX_DEPTH:
        return f"message {number}: its chat has more than {MAX_DEPTH} messages"
    told.update({each[0]: _message(connection, each) for each in before if each[0] not in told})
    messages = tuple(told[each[0]] for each in before)
    calls = _calls(connection, number)
    answer = text(content)
    if not messages or not (answer or calls):
        return ""
    return told_exchange(
        source=OllamaDesktopSource.name,
        time_s=seconds(text(created)),
        model=text(model),
        messages=messages,
        answer=Message(role="assistant", content=answer, tool_calls=calls),
        timed=True,
        thinking=text(thinking),
    )


def _message(connection: sqlite3.Connection, row: tuple[object, ...]) -> Message:
    files = connection.execute("SELECT data FROM attachments WHERE message_id = ? ORDER BY id", (row[0],))
    return Message(
        role=_ROLES.get(text(row[2]), "user"),
        content=text(row[3]),
        tool_calls=_calls(connection, row[0]),
        attachments=tuple(
            hashlib.sha256(each[0]).hexdigest() for each in files if isinstance(each[0], bytes)
        ),
    )


def _calls(connection: sqlite3.Connection, message_id: object) -> tuple[ToolCall, ...]:
    rows = connection.execute(
        "SELECT function_name, function_arguments FROM tool_calls WHERE message_id = ? ORDER BY id",
        (message_id,),
    )
    return tuple(ToolCall(name=text(row[0]), arguments=text(row[1])) for row in rows)
