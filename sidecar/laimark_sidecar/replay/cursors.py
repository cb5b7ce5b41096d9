"""How far each log was read. The caller holds the transaction."""

from __future__ import annotations

import sqlite3


def cursor(connection: sqlite3.Connection, source: str) -> bytes | None:
    """Return the stored cursor of a source; None before the first time."""
    row = connection.execute("SELECT position FROM cursors WHERE source = ?", (source,)).fetchone()
    return None if row is None else bytes(row[0])


def move(connection: sqlite3.Connection, source: str, position: bytes | None) -> None:
    """Store the cursor of a source; None takes it back to the beginning."""
    if position is None:
        connection.execute("DELETE FROM cursors WHERE source = ?", (source,))
    else:
        connection.execute(
            "INSERT OR REPLACE INTO cursors (source, position) VALUES (?, ?)", (source, position)
        )


def advance(connection: sqlite3.Connection, source: str, position: bytes, *, expected: bytes | None) -> bool:
    """Store the cursor of a source if it still is what its reader began at; returns whether it was."""
    if cursor(connection, source) != expected:
        return False
    move(connection, source, position)
    return True
