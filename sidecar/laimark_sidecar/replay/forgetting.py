"""Forgets a lesson for good."""

from __future__ import annotations

import sqlite3

from laimark_sidecar.replay import reading
from laimark_sidecar.replay.retention import delete_items


def forget(connection: sqlite3.Connection, item_id: str, *, now_s: float) -> bool:
    """Delete an item and the answers it was made from, and leave a tombstone; returns whether it was held.

    An id that is not held gets its tombstone too: it may have been evicted, and must not come back.
    """
    connection.execute("INSERT OR IGNORE INTO tombstones (id, removed_s) VALUES (?, ?)", (item_id, now_s))
    found = reading.item(connection, item_id)
    if found is None:
        return False
    connection.executemany(
        "DELETE FROM answered WHERE exchange_id = ?", [(one,) for one in found.exchange_ids]
    )
    delete_items(connection, [reading.position(connection, item_id)])
    return True
