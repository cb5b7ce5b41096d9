"""What a person has looked at, or should: examples left out for a finding, and those that were accepted by hand."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Literal

from laimark_sidecar.replay.body import decode_body
from laimark_sidecar.replay.fair_share import drop_beyond
from laimark_sidecar.replay.flagged import Flagged
from laimark_sidecar.replay.item import Item

Review = Literal["none", "untrusted", "all"]
"""Which examples may be used only after somebody has accepted them: none, those of sources not trusted, all."""

READY = """(added_s <= :newest OR id IN (SELECT item_id FROM accepted))
    AND (:review = 'none' OR id IN (SELECT item_id FROM accepted)
        OR (:review = 'untrusted' AND source IN (SELECT value FROM json_each(:trusted))))"""
"""Of a row of `items`: it is past quarantine and needs no acceptance, or it was accepted."""


def add_findings(
    connection: sqlite3.Connection, flagged: Iterable[Flagged], *, now_s: float, most: int
) -> None:
    """Remember what was left out, except what was forgotten or is a known false alarm.

    Up to `most`, see `fair_share`.
    """
    connection.executemany(
        """INSERT OR IGNORE INTO findings
            (item_id, exchange_id, record_id, time_s, source, signal, rules, places, found_s)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
        WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE id = ?1)
            AND NOT EXISTS (SELECT 1 FROM accepted WHERE item_id = ?1 AND false_alarm)""",
        (
            (
                one.item_id,
                one.exchange_id,
                one.record_id,
                one.time_s,
                one.source,
                one.signal,
                json.dumps(one.rules, ensure_ascii=False),
                json.dumps(one.places),
                now_s,
            )
            for one in flagged
        ),
    )
    drop_beyond(connection, "findings", most=most)


def findings(connection: sqlite3.Connection, *, limit: int) -> tuple[Flagged, ...]:
    """Return what was left out, the newest first."""
    rows = connection.execute(
        """SELECT item_id, exchange_id, record_id, time_s, source, signal, rules, places FROM findings
        ORDER BY found_s DESC, item_id LIMIT ?""",
        (limit,),
    )
    return tuple(
        Flagged(
            item_id=row[0],
            exchange_id=row[1],
            record_id=row[2],
            time_s=row[3],
            source=row[4],
            signal=row[5],
            rules=tuple(json.loads(row[6])),
            places=tuple(json.loads(row[7])),
        )
        for row in rows
    )


def accept(connection: sqlite3.Connection, item_id: str, *, now_s: float, false_alarm: bool) -> None:
    """Remember that a person wants this example learned; with `false_alarm`, that what was found in it is nothing."""
    connection.execute(
        """INSERT INTO accepted (item_id, accepted_s, false_alarm) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET false_alarm = max(false_alarm, ?3)""",
        (item_id, now_s, false_alarm),
    )
    if false_alarm:
        connection.execute("DELETE FROM findings WHERE item_id = ?", (item_id,))


def is_false_alarm(connection: sqlite3.Connection, item_id: str) -> bool:
    """Say whether a person has said that what is found in this example is nothing."""
    query = "SELECT EXISTS (SELECT 1 FROM accepted WHERE item_id = ? AND false_alarm)"
    return bool(connection.execute(query, (item_id,)).fetchone()[0])


def waiting(
    connection: sqlite3.Connection, *, newest_s: float, review: Review, trusted: tuple[str, ...], limit: int
) -> tuple[tuple[Item, float], ...]:
    """Return what is not ready, with its arrival, the newest first: in quarantine, or for want of acceptance."""
    rows = connection.execute(
        f"""SELECT body, added_s FROM items JOIN contents USING (seq)
        WHERE (stage = 0 OR split = 'heldout') AND NOT ({READY}) ORDER BY seq DESC LIMIT :limit""",  # noqa: S608 - a constant
        {"newest": newest_s, "review": review, "trusted": json.dumps(trusted), "limit": limit},
    )
    return tuple((decode_body(body), added_s) for body, added_s in rows)
