"""The seam for conversation logs: a source reads one kind of log from a durable cursor.

Built-in sources come in by the same door as those of others: the entry point group `laimark_sidecar.sources`,
whose entries are called with the folder or file of the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, runtime_checkable

from laimark_sidecar.journal.exchange import Exchange, Feedback
from laimark_sidecar.journal.reader import Fault
from laimark_sidecar.logs import action

GROUP = "laimark_sidecar.sources"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBatch:
    """What one read gave. Store `cursor` in the same transaction as what was made of the records."""

    records: tuple[Exchange | Feedback, ...]
    faults: tuple[Fault, ...]
    cursor: bytes
    more: bool
    """Whether there is more to read at once."""
    too_long: int = 0
    """Exchanges that were not even built, because their history is longer than `history_limit` allows."""


class LogSource(Protocol):
    """A log that others write. Only reads; safe to repeat: ids of records are content hashes."""

    @property
    def name(self) -> str:
        """Stable name, under which the cursor is stored."""
        ...

    def read(self, cursor: bytes | None, *, max_lines: int = 1000) -> SourceBatch:
        """Return the records after `cursor` (None: from the beginning), at most `max_lines` of them.

        Bad entries are faults, stepped over; a log that is not there (yet) is an empty one.

        Raises:
            StateError: the cursor is damaged or was written by a newer version.
            OSError: the log is there and cannot be read.
        """
        ...

    def watch(self) -> tuple[Path, ...]:
        """Return the folders, or the single files, that change when there is something to read."""
        ...


@runtime_checkable
class SharedLog(Protocol):
    """A log that several people may write into, each under an id: `client` of a record is `<name>/<id>`."""

    def people(self) -> tuple[str, ...]:
        """Return the ids of those who said something.

        Raises:
            LaimarkError: the log is locked, damaged or has another layout.
            OSError: it cannot be read.
        """
        ...


SourceFactory = Callable[[Path], LogSource]


def load_sources() -> dict[str, SourceFactory]:
    """Return the installed sources by name. One that cannot be imported is logged and left out."""
    factories: dict[str, SourceFactory] = {}
    for entry in entry_points(group=GROUP):
        try:
            factories[entry.name] = entry.load()
        except (ImportError, AttributeError) as error:
            _log.warning("source %s cannot be loaded: %s", entry.name, error, extra=action("source.broken"))
    return factories
