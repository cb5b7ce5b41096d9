"""The sidecar's own conversation log as a source."""

from __future__ import annotations

from pathlib import Path

from laimark_sidecar.journal.cursor import Cursor
from laimark_sidecar.journal.reader import read
from laimark_sidecar.sources.source import SourceBatch


class JournalSource:
    """Tails the journal in `folder`, written by the gateway or the embedded runner."""

    name = "journal"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, cursor: bytes | None, *, max_lines: int = 1000) -> SourceBatch:
        known = None if cursor is None else Cursor.decode(cursor)
        batch = read(self._folder, known, max_lines=max_lines)
        return SourceBatch(
            records=batch.records, faults=batch.faults, cursor=batch.cursor.encode(), more=batch.more
        )

    def watch(self) -> tuple[Path, ...]:
        return (self._folder,)
