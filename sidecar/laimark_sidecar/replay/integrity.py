"""Verifies the buffer as a whole, bookkeeping included."""

from __future__ import annotations

import sqlite3

_CLAIMS = (
    (
        "SELECT count(*) FROM items LEFT JOIN contents USING (seq) WHERE body IS NULL",
        "items without content",
    ),
    (
        "SELECT count(*) FROM bands WHERE seq NOT IN (SELECT seq FROM items)",
        "near-duplicate bands of items that are gone",
    ),
    (
        """SELECT count(*) FROM strata WHERE held !=
            (SELECT count(*) FROM items WHERE items.stratum_id = strata.stratum_id)""",
        "strata with a wrong count",
    ),
    (
        """SELECT count(*) FROM items WHERE stage IS NOT
            CASE WHEN split = 'train' AND weight > 0 THEN cycle IS NOT NULL END""",
        "items at the wrong stage",
    ),
    (
        "SELECT count(*) FROM items WHERE id IN (SELECT id FROM tombstones)",
        "forgotten items that are still held",
    ),
)


def check(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return every fault found by SQLite's `integrity_check`, the foreign keys and our own invariants."""
    faults = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    faults += [
        f"row {row[1]} of {row[0]} has no {row[2]}" for row in connection.execute("PRAGMA foreign_key_check")
    ]
    for query, claim in _CLAIMS:
        found = connection.execute(query).fetchone()[0]
        if found:
            faults.append(f"{found} {claim}")
    return tuple(faults)
