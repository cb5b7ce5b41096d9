"""What the buffer holds, counted."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferStats:
    """Counts of the items held now; every mapping goes from a name to a count, sorted by name."""

    items: int
    capacity: int
    untrained: int
    """Train-split items of weight above 0 that no cycle has used yet."""
    trained: int
    by_split: dict[str, int]
    by_signal: dict[str, int]
    by_domain: dict[str, int]
    by_month: dict[str, int]
    """Months of the items' own time, UTC, for example `2026-11`."""
    by_source: dict[str, int]
    answered: int
    """Remembered answers."""
    removed: int
    """Tombstones: ids that were forgotten and stay so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """What has arrived too recently to be used."""

    lessons: int
    """Train-split items of weight above 0 that no cycle has used yet."""
    heldout: int
    newest_s: float
    """When the last of them arrived, by this machine's clock; 0 where there are none."""


def stats(connection: sqlite3.Connection, *, capacity: int) -> BufferStats:
    """Count; the caller holds a read transaction so that the figures agree with each other."""
    return BufferStats(
        items=_count(connection, "SELECT count(*) FROM items"),
        capacity=capacity,
        untrained=_count(connection, "SELECT count(*) FROM items WHERE stage = 0"),
        trained=_count(connection, "SELECT count(*) FROM items WHERE cycle IS NOT NULL"),
        by_split=_groups(connection, "SELECT split, count(*) FROM items GROUP BY 1 ORDER BY 1"),
        by_signal=_groups(connection, "SELECT signal, count(*) FROM items GROUP BY 1 ORDER BY 1"),
        by_domain=_groups(connection, "SELECT domain, count(*) FROM items GROUP BY 1 ORDER BY 1"),
        by_month=_groups(connection, "SELECT month, count(*) FROM items GROUP BY 1 ORDER BY 1"),
        by_source=_groups(connection, "SELECT source, count(*) FROM items GROUP BY 1 ORDER BY 1"),
        answered=_count(connection, "SELECT count(*) FROM answered"),
        removed=_count(connection, "SELECT count(*) FROM tombstones"),
    )


def quarantined(connection: sqlite3.Connection, *, newest_s: float) -> Quarantined:
    """Count what arrived after `newest_s`; the caller holds a read transaction."""
    lessons, heldout, last_s = connection.execute(
        """SELECT count(*) FILTER (WHERE stage = 0), count(*) FILTER (WHERE split = 'heldout'), max(added_s)
        FROM items WHERE added_s > ? AND (stage = 0 OR split = 'heldout')
            AND id NOT IN (SELECT item_id FROM accepted)""",
        (newest_s,),
    ).fetchone()
    return Quarantined(lessons=lessons, heldout=heldout, newest_s=last_s or 0.0)


def _count(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _groups(connection: sqlite3.Connection, query: str) -> dict[str, int]:
    return dict(connection.execute(query))
