"""How far a table of rows that change was read: everything up to a time, and within it up to a row."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from laimark_sidecar.decoding import decode_versioned

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """The last row that was read, in the order of (time, key)."""

    time_s: float = 0.0
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermarks:
    """One for each table."""

    tables: dict[str, Watermark]
    version: int = FORMAT_VERSION

    def of(self, table: str) -> Watermark:
        """Return a table's; the beginning of time where nothing of it was read."""
        return self.tables.get(table, Watermark())

    def moved(self, table: str, mark: Watermark) -> Watermarks:
        """Return these, one of them moved."""
        return Watermarks(tables={**self.tables, table: mark})

    def encode(self) -> bytes:
        """Return the cursor as it is stored."""
        return msgspec.json.encode(self)


def decode(cursor: bytes | None) -> Watermarks:
    """Read a stored cursor; None is the beginning.

    Raises:
        StateError: it is damaged, or a newer version wrote it.
    """
    if cursor is None:
        return Watermarks(tables={})
    return decode_versioned(
        cursor,
        Watermarks,
        newest=FORMAT_VERSION,
        what="a source's cursor",
        hint="laimark-sidecar sources status",
    )
