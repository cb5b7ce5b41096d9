"""When held-out items began to be kept from the screen. What arrived before that has screened already, and stays with it.

A buffer that is made anew begins without an opening: what was kept from the screen then screens, which gives up its
freshness, and never the other way round.
"""

from __future__ import annotations

import sqlite3


def open_sets(connection: sqlite3.Connection, *, at_least: int, now_s: float) -> bool:
    """Open the other held-out sets to what arrives from now on, once that many items are held out; says if they are open.

    Opened once, they stay so, whatever is evicted or forgotten later.
    """
    if opened_after(connection) is not None:
        return True
    held, newest = connection.execute(
        "SELECT count(*) FILTER (WHERE split = 'heldout'), max(seq) FROM items"
    ).fetchone()
    if held < at_least:
        return False
    connection.execute("INSERT INTO opening (only, seq, opened_s) VALUES (1, ?, ?)", (newest, now_s))
    return True


def opened_after(connection: sqlite3.Connection) -> int | None:
    """Return the row behind which items arrived after the opening; None before it."""
    row = connection.execute("SELECT seq FROM opening").fetchone()
    return None if row is None else int(row[0])
