"""The log of simonw/llm, `logs.db`: what `llm logs path` names.

Since llm 0.32 a call is a row of `turns`, whose messages are a chain of hashes (llm/logs.py); before, it was a row of
`responses`. Both tables stay: what was logged before an upgrade is read where it stands.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from laimark_sidecar.errors import StateError
from laimark_sidecar.journal.exchange import Exchange
from laimark_sidecar.journal.reader import Fault
from laimark_sidecar.sources import foreign_database, watermark
from laimark_sidecar.sources.llm_responses import COLUMNS as RESPONSES
from laimark_sidecar.sources.llm_responses import Responses
from laimark_sidecar.sources.llm_turns import TABLES as TURNS
from laimark_sidecar.sources.llm_turns import turns
from laimark_sidecar.sources.source import SourceBatch
from laimark_sidecar.sources.watermark import Watermark

PROGRAM = "llm"
_Reader = Callable[[sqlite3.Connection, int, int], Iterator[tuple[int, Exchange | str]]]
"""Given a row and how many, the rows behind it: each an exchange, why it is none, or nothing (an empty text)."""


class LlmSource:
    """Reads the `logs.db` at `path`, or in the folder `path`. It holds no feedback; corrections stand in the chats."""

    name = "llm"

    def __init__(self, path: Path) -> None:
        self._path = path / "logs.db" if path.is_dir() else path
        self._responses = Responses()

    def read(self, cursor: bytes | None, *, max_lines: int = 1000) -> SourceBatch:
        marks = watermark.decode(cursor)
        if not self._path.is_file():
            return SourceBatch(records=(), faults=(), cursor=marks.encode(), more=False)
        records: list[Exchange] = []
        faults: list[Fault] = []
        with foreign_database.reading(self._path, program=PROGRAM) as connection:
            for table, rows in self._tables(connection):
                mark = marks.of(table)
                same = foreign_database.row_key(connection, table, int(mark.time_s), ("id",)) == mark.key
                after = last = int(mark.time_s) if same else 0
                for rowid, found in rows(
                    connection, after, min(max_lines - len(records), foreign_database.ROWS_A_READ)
                ):
                    last = rowid
                    if isinstance(found, Exchange):
                        records.append(found)
                    elif found:
                        faults.append(Fault(segment=f"{self._path.name}/{table}", offset=rowid, reason=found))
                if last != after:
                    key = foreign_database.row_key(connection, table, last, ("id",))
                    marks = marks.moved(table, Watermark(time_s=float(last), key=key))
                if len(records) + len(faults) >= max_lines:
                    break
        more = marks != watermark.decode(cursor)
        return SourceBatch(records=tuple(records), faults=tuple(faults), cursor=marks.encode(), more=more)

    def watch(self) -> tuple[Path, ...]:
        return (self._path,)

    def _tables(self, connection: sqlite3.Connection) -> list[tuple[str, _Reader]]:
        """Return what can be read of this database, the older table first."""
        old = foreign_database.columns_of(connection, "responses")
        new = foreign_database.columns_of(connection, "turns")
        if not old and not new:
            raise StateError(
                f"{self._path} has neither of llm's tables `responses` and `turns`",
                hint="is this llm's log? `llm logs path` names it",
            )
        found: list[tuple[str, _Reader]] = []
        if old:
            foreign_database.require(connection, self._path, program=PROGRAM, tables={"responses": RESPONSES})
            found.append(("responses", self._responses.after))
        if new:
            foreign_database.require(connection, self._path, program=PROGRAM, tables=TURNS)
            found.append(("turns", turns))
        return found
