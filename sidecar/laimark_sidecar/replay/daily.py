"""How many examples of a source came in today: a flood is stopped where it enters, whatever is evicted later."""

from __future__ import annotations

import sqlite3

from laimark_sidecar.clock import day


def may_arrive(connection: sqlite3.Connection, source: str, *, now_s: float, most: int) -> bool:
    """Count one more example of `source` on this day (UTC, by this machine's clock); False beyond `most`.

    By arrival and not by the example's own time: a log that others write can claim any.
    """
    today = day(now_s)
    connection.execute("DELETE FROM arrivals WHERE day <> ?", (today,))
    return bool(
        connection.execute(
            """INSERT INTO arrivals (source, day, items) VALUES (?, ?, 1)
            ON CONFLICT DO UPDATE SET items = items + 1 WHERE items < ?""",
            (source, today, most),
        ).rowcount
    )
