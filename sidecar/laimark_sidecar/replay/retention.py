"""Keeps the buffer at its fixed size: half of each stratum a uniform reservoir, half the highest priority.

Every item has a random key, a hash of its id and a salt: reproducible, and the same item coming back gets the
same fate. The reservoir half of a stratum is the `k` smallest keys (bottom-k sampling, Cohen and Kaplan 2007), a
uniform sample of all items ever seen there. `k` falls when new strata appear and may rise again after a deletion;
to stay uniform then, each stratum remembers the smallest key that ever left the reservoir (`threshold`), and only
items below it belong to the reservoir. In the other half lessons that were never trained outrank everything: an
item must not be evicted before it could teach anything, and a flood of them is bounded by the half.
"""

from __future__ import annotations

import hashlib
import sqlite3

from laimark_sidecar.replay.quotas import Stratum, quotas


def random_key(item_id: str, salt: str) -> int:
    """Return the item's key, uniform in [0, 2^63)."""
    digest = hashlib.blake2b(f"{salt}\0{item_id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def reservoir_places(quota: int, *, heldout: bool) -> int:
    """Return how many of a stratum's `quota` are reservoir: all for held-out items, else the larger half."""
    return quota if heldout else quota - quota // 2


def evict(connection: sqlite3.Connection, *, capacity: int) -> int:
    """Delete what exceeds `capacity` inside the caller's transaction; returns how many items went."""
    strata = _strata(connection)
    allowed = quotas(strata, capacity)
    evicted = 0
    for stratum in strata:
        excess = stratum.held - allowed[stratum.id]
        if excess > 0:
            places = reservoir_places(allowed[stratum.id], heldout=stratum.heldout)
            threshold = _lower_threshold(connection, stratum.id, places)
            delete_items(connection, _least_wanted(connection, stratum.id, threshold, excess))
            evicted += excess
    return evicted


def delete_items(connection: sqlite3.Connection, seqs: list[int]) -> None:
    """Delete items with their contents and near-duplicate bands; the only statement that deletes an item."""
    for seq in seqs:
        packed = connection.execute("SELECT bands FROM contents WHERE seq = ?", (seq,)).fetchone()[0]
        bands = memoryview(packed).cast("i")
        connection.executemany(
            "DELETE FROM bands WHERE band = ? AND seq = ?", [(band, seq) for band in bands]
        )
        connection.execute("DELETE FROM items WHERE seq = ?", (seq,))


def _strata(connection: sqlite3.Connection) -> list[Stratum]:
    rows = connection.execute(
        "SELECT stratum_id, source, split, month, worth, held FROM strata WHERE held > 0"
    )
    return [
        Stratum(
            id=stratum_id,
            source=source,
            heldout=split == "heldout",
            month=month,
            worth=bool(worth),
            held=held,
        )
        for stratum_id, source, split, month, worth, held in rows
    ]


def _lower_threshold(connection: sqlite3.Connection, stratum_id: int, places: int) -> int:
    threshold: int = connection.execute(
        "SELECT threshold FROM strata WHERE stratum_id = ?", (stratum_id,)
    ).fetchone()[0]
    first_out = connection.execute(
        "SELECT random_key FROM items WHERE stratum_id = ? AND random_key < ? ORDER BY random_key LIMIT 1 OFFSET ?",
        (stratum_id, threshold, places),
    ).fetchone()
    if first_out is None:
        return threshold
    connection.execute("UPDATE strata SET threshold = ? WHERE stratum_id = ?", (first_out[0], stratum_id))
    return int(first_out[0])


def _least_wanted(connection: sqlite3.Connection, stratum_id: int, threshold: int, count: int) -> list[int]:
    rows = connection.execute(
        """SELECT seq FROM items WHERE stratum_id = ? AND random_key >= ?
        ORDER BY cycle IS NULL, coalesce(priority, weight), random_key DESC LIMIT ?""",
        (stratum_id, threshold, count),
    )
    return [row[0] for row in rows]
