"""Forgets for good: lessons, the answers they were made from, and what was said of either. Only ids stay."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable

from laimark_sidecar.replay import reading
from laimark_sidecar.replay.body import decode_body
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.retention import delete_items
from laimark_sidecar.replay.trace import Trace


def forget(connection: sqlite3.Connection, item_id: str, *, now_s: float) -> bool:
    """Delete an item and the answers it was made from, and leave a tombstone; returns whether it was held.

    An id that is not held gets its tombstone too: it may have been evicted, and must not come back.
    """
    bury(connection, [item_id], now_s=now_s)
    found = reading.item(connection, item_id)
    if found is None:
        return False
    connection.executemany(
        "DELETE FROM answered WHERE exchange_id = ?", [(one,) for one in found.exchange_ids]
    )
    delete_items(connection, [reading.position(connection, item_id)])
    return True


def forget_exchanges(connection: sqlite3.Connection, ids: Collection[str], *, now_s: float) -> int:
    """Forget exchanges and every lesson made from any of them; returns how many items were held.

    Whoever reads the very same record again brings nothing back; how its later turns and other programs' accounts of
    it are known is said in `trace`.
    """
    bury(connection, ids, now_s=now_s)
    forgotten = sum(forget(connection, one, now_s=now_s) for one in sorted(made_from(connection, ids)))
    keys = [(one,) for one in ids]
    connection.executemany("DELETE FROM answered WHERE exchange_id = ?", keys)
    connection.executemany("DELETE FROM findings WHERE exchange_id = ?1 OR record_id = ?1", keys)
    return forgotten


def remember(connection: sqlite3.Connection, traces: Iterable[Trace], *, now_s: float) -> None:
    """Keep what forgotten exchanges are known by."""
    connection.executemany(
        "INSERT OR IGNORE INTO traces (hash, since_s, until_s, removed_s) VALUES (?, ?, ?, ?)",
        ((one.hash, one.since_s, one.until_s, now_s) for one in traces),
    )


def remembered(connection: sqlite3.Connection, hashes: Collection[str]) -> dict[str, tuple[Trace, ...]]:
    """Return the traces with any of these hashes, by hash."""
    rows = connection.execute(
        "SELECT hash, since_s, until_s FROM traces WHERE hash IN (SELECT value FROM json_each(?))",
        (json.dumps(list(hashes)),),
    )
    found: dict[str, list[Trace]] = {}
    for hash_, since_s, until_s in rows:
        found.setdefault(hash_, []).append(Trace(hash=hash_, since_s=since_s, until_s=until_s))
    return {hash_: tuple(kept) for hash_, kept in found.items()}


def bury(connection: sqlite3.Connection, ids: Collection[str], *, now_s: float) -> None:
    """Leave tombstones for ids of items and exchanges: both are content hashes."""
    connection.executemany(
        "INSERT OR IGNORE INTO tombstones (id, removed_s) VALUES (?, ?)", [(one, now_s) for one in ids]
    )


def made_from(connection: sqlite3.Connection, exchange_ids: Collection[str]) -> frozenset[str]:
    """Return the ids of all items ever made from these exchanges, held, evicted or forgotten."""
    rows = connection.execute(
        "SELECT item_id FROM origins WHERE exchange_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(exchange_ids)),),
    )
    return frozenset(item_id for (item_id,) in rows)


def matching(
    connection: sqlite3.Connection, item: Callable[[Item], bool], answer: Callable[[str], bool]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the ids of the items, and of the exchanges with a remembered answer, that these say yes to."""
    bodies = connection.execute("SELECT body FROM contents")
    items = frozenset(held.id for (body,) in bodies if item(held := decode_body(body)))
    answers = connection.execute("SELECT exchange_id, answer FROM answered")
    return items, frozenset(exchange_id for exchange_id, text in answers if answer(text))


def count_as_new(connection: sqlite3.Connection, cycles: Collection[str], *, known: Collection[str]) -> int:
    """Let lessons that only these cycles used count as new again; returns how many do.

    Args:
        connection: inside a transaction.
        cycles: whose versions are gone or not gone on from.
        known: items that a version which stays has learned.
    """
    rows = connection.execute(
        """UPDATE items SET cycle = NULL, stage = stage & 0
        WHERE cycle IN (SELECT value FROM json_each(?)) AND id NOT IN (SELECT value FROM json_each(?))
        RETURNING id""",
        (json.dumps(list(cycles)), json.dumps(list(known))),
    )
    return len(rows.fetchall())
