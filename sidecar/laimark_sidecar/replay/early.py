"""Feedback that came before its exchange: two logs are read in any order, and neither may lose the other's word."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence

from laimark_sidecar.journal.exchange import Feedback
from laimark_sidecar.replay.fair_share import drop_beyond


def keep(connection: sqlite3.Connection, early: Iterable[Feedback], *, most: int) -> None:
    """Let feedback wait, except what was forgotten, up to `most` (see `fair_share`)."""
    connection.executemany(
        """INSERT OR IGNORE INTO early_feedback (id, exchange_id, time_s, source, kind, text)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE id IN (?1, ?2))""",
        ((one.id, one.exchange_id, one.time_s, one.source, one.kind, one.text) for one in early),
    )
    drop_beyond(connection, "early_feedback", most=most)


def waiting_for(connection: sqlite3.Connection, exchange_ids: Sequence[str]) -> tuple[Feedback, ...]:
    """Return what waits for any of these exchanges, oldest first."""
    wanted = "exchange_id IN (SELECT value FROM json_each(?))"
    return _selected(connection, wanted, (json.dumps(exchange_ids),))


def waiting(connection: sqlite3.Connection) -> tuple[Feedback, ...]:
    """Return all that waits, oldest first."""
    return _selected(connection, "TRUE", ())


def settle(connection: sqlite3.Connection, ids: Collection[str]) -> None:
    """Let what has been learned from wait no longer."""
    connection.executemany("DELETE FROM early_feedback WHERE id = ?", [(one,) for one in ids])


def _selected(connection: sqlite3.Connection, wanted: str, values: tuple[str, ...]) -> tuple[Feedback, ...]:
    rows = connection.execute(
        f"""SELECT id, exchange_id, time_s, source, kind, text FROM early_feedback WHERE {wanted}
        ORDER BY time_s, id""",  # noqa: S608 - a constant
        values,
    )
    return tuple(
        Feedback(id=row[0], exchange_id=row[1], time_s=row[2], source=row[3], kind=row[4], text=row[5])
        for row in rows
    )
