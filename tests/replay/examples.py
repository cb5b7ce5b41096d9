"""Items, answers and a clock for the tests of the buffer; every text is different unless a test says otherwise."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Sequence

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.replay.answered import Answered
from laimark_sidecar.replay.body import encode_body
from laimark_sidecar.replay.flagged import Flagged
from laimark_sidecar.replay.item import SIGNAL_WEIGHT, Item, Signal, Span, Split
from laimark_sidecar.replay.near_duplicates import lesson_signature

NOVEMBER_S = 1_793_000_000.0  # 2026-10-26; a test that cares about months adds whole days
DAY_S = 86_400.0


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_s: float = NOVEMBER_S) -> None:
        self.time_s = now_s

    def now_s(self) -> float:
        return self.time_s

    def monotonic_s(self) -> float:
        return self.time_s


def words(seed: int, count: int = 40) -> str:
    """Return `count` words that no other seed shares more than a few of."""
    rng = random.Random(seed)
    return " ".join(f"w{rng.randrange(100_000)}" for _ in range(count))


def make_item(
    number: int,
    *,
    signal: Signal = "edit",
    split: Split = "train",
    domain: str = "text",
    source: str = "journal",
    time_s: float | None = None,
    weight: float | None = None,
    prompt: str | None = None,
    target: str | None = None,
    exchange_ids: Sequence[str] = (),
) -> Item:
    """Return item `number`; its time follows its number unless given."""
    text = words(number) if target is None else target
    return Item(
        id=f"item-{number:06}",
        time_s=NOVEMBER_S + number if time_s is None else time_s,
        source=source,
        signal=signal,
        weight=SIGNAL_WEIGHT[signal] if weight is None else weight,
        domain=domain,
        split=split,
        messages=(Message(role="user", content=f"request {number}" if prompt is None else prompt),),
        target=text,
        spans=(Span(start=0, end=len(text), provenance="typed", learn=True),),
        exchange_ids=tuple(exchange_ids) or (f"exchange-{number:06}",),
    )


def make_items(*numbers: int, signal: Signal = "edit", split: Split = "train") -> tuple[Item, ...]:
    return tuple(make_item(number, signal=signal, split=split) for number in numbers)


def make_answer(number: int, *, prefix: str = "prefix", time_s: float | None = None) -> Answered:
    return Answered(
        prefix=prefix,
        exchange_id=f"exchange-{number:06}",
        answer=f"answer {number}",
        version="",
        time_s=NOVEMBER_S + number if time_s is None else time_s,
    )


def add_as_version_one(connection: sqlite3.Connection, items: Iterable[Item]) -> None:
    """Insert items as releases with the first schema did."""
    for item in items:
        month = "2026-10"
        key = (
            ("heldout", "", "", "") if item.split == "heldout" else ("train", item.signal, item.domain, month)
        )
        connection.execute(
            "INSERT OR IGNORE INTO strata (split, signal, domain, month, worth) VALUES (?, ?, ?, ?, 1)", key
        )
        (stratum_id,) = connection.execute(
            "SELECT stratum_id FROM strata WHERE (split, signal, domain, month) = (?, ?, ?, ?)", key
        ).fetchone()
        (seq,) = connection.execute(
            """INSERT INTO items (id, stratum_id, split, signal, domain, month, source, weight, time_s, added_s,
                random_key, stage) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 5.0, 7, ?) RETURNING seq""",
            (
                *(item.id, stratum_id, item.split, item.signal, item.domain, month, item.source, item.weight),
                *(item.time_s, 0 if item.split == "train" else None),
            ),
        ).fetchone()
        lesson = lesson_signature(item)
        connection.execute(
            "INSERT INTO contents VALUES (?, ?, ?, ?)",
            (seq, encode_body(item), lesson.fingerprint, lesson.bands),
        )
        connection.executemany(
            "INSERT OR IGNORE INTO bands VALUES (?, ?)", [(band, seq) for band in lesson.band_keys()]
        )


def make_flagged(number: int) -> Flagged:
    return Flagged(
        item_id=f"item-{number:06}",
        exchange_id=f"exchange-{number:06}",
        record_id=f"record-{number:06}",
        time_s=float(number),
        source="journal",
        signal="edit",
        rules=("github token", "clé"),
        places=("prompt", "hint"),
    )


def numbers(items: tuple[Item, ...]) -> list[int]:
    return sorted(int(item.id[-6:]) for item in items)
