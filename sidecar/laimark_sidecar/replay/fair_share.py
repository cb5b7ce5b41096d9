"""Keeps a table of remembered rows at its bound: the sources that hold most give way, their oldest arrivals first.

Never by the times that the rows tell: whoever writes a log can claim any, and would push out everybody else's.
"""

from __future__ import annotations

import sqlite3
from typing import Literal

from laimark_sidecar.replay.quotas import allot

Table = Literal["answered", "early_feedback", "findings"]


def drop_beyond(connection: sqlite3.Connection, table: Table, *, most: int) -> None:
    """Delete what is beyond `most` rows inside the caller's transaction.

    Sources keep equal shares, as far as they fill them: each the rows that arrived last.
    """
    held = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - a name of ours
    if held <= most:
        return
    counts = connection.execute(
        f"SELECT source, count(*) FROM {table} GROUP BY source ORDER BY source"  # noqa: S608 - a name of ours
    ).fetchall()
    for (source, count), share in zip(counts, allot([count for _, count in counts], most), strict=True):
        connection.execute(
            f"""DELETE FROM {table} WHERE rowid IN
            (SELECT rowid FROM {table} WHERE source = ? ORDER BY rowid LIMIT ?)""",  # noqa: S608 - a name of ours
            (source, count - share),
        )
