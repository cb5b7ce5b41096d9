"""Writes one batch of answers and items inside the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from laimark_sidecar.clock import day
from laimark_sidecar.replay.answered import Answered
from laimark_sidecar.replay.body import encode_body
from laimark_sidecar.replay.daily import may_arrive
from laimark_sidecar.replay.fair_share import drop_beyond
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.minhash import Signature
from laimark_sidecar.replay.near_duplicates import copies, lesson_signature
from laimark_sidecar.replay.reading import made_by
from laimark_sidecar.replay.retention import delete_items, random_key

ANSWERS_PER_PLACE = 8
"""Remembered answers for each place in the buffer: feedback comes soon after an answer or never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestCounts:
    """What became of one batch of items."""

    added: int
    duplicate: int
    """Known or forgotten ids."""
    near_duplicate: int
    """Left out, because enough near-equal copies of no weaker signal are held already."""
    evicted: int
    """Items, new or old, that made room."""
    stronger: int = 0
    """Held items whose signal a new one raised: praised first, then accepted."""
    capped: int = 0
    """Left out, because their source has brought enough today."""


def add_answers(connection: sqlite3.Connection, answered: Iterable[Answered], *, capacity: int) -> None:
    """Remember answers by exchange, except forgotten ones, up to eight times `capacity` (see `fair_share`)."""
    connection.executemany(
        """INSERT OR IGNORE INTO answered (exchange_id, prefix, answer, version, time_s, source, pair, withheld)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
        WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE id = ?1)""",
        (
            (
                one.exchange_id,
                one.prefix,
                "" if one.withheld else one.answer,
                one.version,
                one.time_s,
                one.source,
                one.pair,
                one.withheld,
            )
            for one in answered
        ),
    )
    drop_beyond(connection, "answered", most=ANSWERS_PER_PLACE * capacity)


def withhold(connection: sqlite3.Connection, holds_secret: Callable[[str], bool], *, most: int) -> int:
    """Look through remembered answers that nobody has looked through; returns how many, 0 when all are done."""
    rows = connection.execute(
        "SELECT exchange_id, answer FROM answered WHERE withheld IS NULL LIMIT ?", (most,)
    ).fetchall()
    for exchange_id, answer in rows:
        found = holds_secret(answer)
        connection.execute(
            "UPDATE answered SET withheld = ?, answer = ? WHERE exchange_id = ?",
            (found, "" if found else answer, exchange_id),
        )
    return len(rows)


def supersede(connection: sqlite3.Connection, superseded: Iterable[Answered]) -> None:
    """Take back what was learned from accounts that a better one was found of, and remember who answered.

    What a cycle has used stays: a version has learned it.
    """
    for one in superseded:
        connection.execute(
            "UPDATE answered SET version = ? WHERE exchange_id = ?", (one.version, one.exchange_id)
        )
        delete_items(connection, [seq for seq, _ in made_by(connection, one.exchange_id)])


def withdraw(connection: sqlite3.Connection, ids: Sequence[str]) -> None:
    """Take back lessons that no cycle has used; they are not forgotten, and may be taught again."""
    rows = connection.execute(
        "SELECT seq FROM items WHERE cycle IS NULL AND id IN (SELECT value FROM json_each(?))",
        (json.dumps(ids),),
    ).fetchall()
    delete_items(connection, [seq for (seq,) in rows])


def add_items(
    connection: sqlite3.Connection,
    items: Sequence[Item],
    *,
    now_s: float,
    max_copies: int,
    salt: str,
    per_source_day: int | None = None,
) -> IngestCounts:
    """Insert items; `evicted` counts the weaker near-copies that gave way.

    Of each source at most `per_source_day` come in on one day, where that is given.

    Raises:
        DataError: an item's text cannot be stored (lone surrogates); nothing of the batch is kept.
    """
    added = duplicate = stronger = near_duplicate = evicted = capped = 0
    for item in items:
        if _known(connection, item):
            strengthened = _strengthen(connection, item, now_s=now_s, salt=salt)
            duplicate += not strengthened
            stronger += strengthened
            continue
        lesson = lesson_signature(item)
        held = copies(connection, lesson, item.split)
        crowded = len(held) >= max_copies
        if crowded and held[0].weight >= item.weight:
            near_duplicate += 1
            continue
        if per_source_day is not None and not may_arrive(
            connection, item.source, now_s=now_s, most=per_source_day
        ):
            capped += 1
            continue
        if crowded:
            delete_items(connection, [held[0].seq])
            evicted += 1
        _insert(connection, item, lesson, now_s=now_s, salt=salt)
        added += 1
    return IngestCounts(
        added=added,
        duplicate=duplicate,
        near_duplicate=near_duplicate,
        evicted=evicted,
        stronger=stronger,
        capped=capped,
    )


def _strengthen(connection: sqlite3.Connection, item: Item, *, now_s: float, salt: str) -> bool:
    """Replace a held train item of the same id by `item` if its signal is stronger; a cycle that used it stays."""
    held = connection.execute(
        "SELECT seq, cycle FROM items WHERE id = ? AND split = 'train' AND weight < ?", (item.id, item.weight)
    ).fetchone()
    if held is None or item.split != "train":
        return False
    delete_items(connection, [held[0]])
    _insert(connection, item, lesson_signature(item), now_s=now_s, salt=salt)
    if held[1] is not None:
        connection.execute("UPDATE items SET cycle = ?, stage = 1 WHERE id = ?", (held[1], item.id))
    return True


def _known(connection: sqlite3.Connection, item: Item) -> bool:
    """Say whether the item is held or forgotten, or was made from an exchange that is forgotten."""
    query = """SELECT EXISTS (SELECT 1 FROM items WHERE id = ?1) OR EXISTS (SELECT 1 FROM tombstones
        WHERE id = ?1 OR id IN (SELECT value FROM json_each(?2)))"""
    return bool(connection.execute(query, (item.id, json.dumps(item.exchange_ids))).fetchone()[0])


def _insert(
    connection: sqlite3.Connection, item: Item, lesson: Signature, *, now_s: float, salt: str
) -> None:
    month = day(item.time_s)[:7]
    seq: int = connection.execute(
        """INSERT INTO items
            (id, stratum_id, split, signal, domain, month, source, weight, time_s, added_s, random_key,
            stage)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq""",
        (
            item.id,
            _stratum(connection, item, month),
            item.split,
            item.signal,
            item.domain,
            month,
            item.source,
            item.weight,
            item.time_s,
            now_s,
            random_key(item.id, salt),
            0 if item.split == "train" and item.weight > 0 else None,
        ),
    ).fetchone()[0]
    connection.execute(
        "INSERT INTO contents (seq, body, fingerprint, bands) VALUES (?, ?, ?, ?)",
        (seq, encode_body(item), lesson.fingerprint, lesson.bands),
    )
    # Two bands of one item can share a key, once in millions.
    connection.executemany(
        "INSERT OR IGNORE INTO bands (band, seq) VALUES (?, ?)", [(band, seq) for band in lesson.band_keys()]
    )


def _stratum(connection: sqlite3.Connection, item: Item, month: str) -> int:
    # A source's held-out items are one stratum: what they measure is the whole of its work, not a share of each kind.
    kind = ("heldout", "", "", "") if item.split == "heldout" else ("train", item.signal, item.domain, month)
    key = (item.source, *kind)
    connection.execute(
        "INSERT OR IGNORE INTO strata (source, split, signal, domain, month, worth) VALUES (?, ?, ?, ?, ?, ?)",
        (*key, item.weight > 0),
    )
    stratum_id: int = connection.execute(
        """SELECT stratum_id FROM strata
        WHERE source = ? AND split = ? AND signal = ? AND domain = ? AND month = ?""",
        key,
    ).fetchone()[0]
    return stratum_id
