"""The experience replay buffer: fixed size, prioritised, in one SQLite file.

Each `ReplayStore` owns one connection, guarded by a lock: an instance may be shared by threads, and any number of
processes may have their own on the same file. Readers never wait for a writer (WAL); a writer waits up to 10 s for
another one, then `LockedError`. Every writing method is one transaction, on the disk when it returns.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from laimark_sidecar.clock import Clock
from laimark_sidecar.errors import ConfigError
from laimark_sidecar.journal.exchange import Feedback
from laimark_sidecar.replay import (
    cursors,
    drawing,
    ingestion,
    integrity,
    opening,
    reading,
    retention,
    reviewing,
    surprise,
)
from laimark_sidecar.replay import early as early_rows
from laimark_sidecar.replay import stats as counting
from laimark_sidecar.replay.answered import Answered
from laimark_sidecar.replay.database import Database
from laimark_sidecar.replay.flagged import Flagged
from laimark_sidecar.replay.ingestion import IngestCounts
from laimark_sidecar.replay.item import Item, Signal, Split
from laimark_sidecar.replay.near_duplicates import MAX_COPIES
from laimark_sidecar.replay.oblivion import Oblivion
from laimark_sidecar.replay.reading import Keep
from laimark_sidecar.replay.review_desk import ReviewDesk
from laimark_sidecar.replay.reviewing import Review
from laimark_sidecar.replay.sampling import Drawn
from laimark_sidecar.replay.stats import BufferStats, Quarantined
from laimark_sidecar.replay.surprise import ItemLoss

_SALT = "laimark-replay-1"
_PAGE_ITEMS = 256


class ReplayStore:
    """Use `ReplayStore.open`; close it, or use it as a context manager.

    Attributes:
        review: what waits for a person, and what was decided.
        oblivion: forgetting for good.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        capacity: int,
        max_copies: int,
        per_source_day: int | None,
        salt: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._capacity = capacity
        self._max_copies = max_copies
        self._per_source_day = per_source_day
        self._salt = salt
        self.oblivion = Oblivion(database, clock=clock)
        self.review = ReviewDesk(database, clock=clock, insert=self._insert)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        clock: Clock,
        capacity: int = 4096,
        max_bytes: int | None = None,
        max_copies: int = MAX_COPIES,
        per_source_day: int | None = None,
        salt: str = _SALT,
    ) -> Self:
        """Open the buffer, creating it (owner-only) or upgrading its schema as needed.

        Args:
            path: the database file.
            clock: tells when items arrive, for the quarantine.
            capacity: items held at most, 15% of them held out; a smaller one takes effect with the next `ingest`.
            max_bytes: limit of the file's size; beyond it a write fails as on a full disk.
            max_copies: near-equal copies of a lesson held at most.
            per_source_day: new items that one source may bring on one day at most; None for any number.
            salt: seeds the random keys that decide what stays; change it and new items get other fates.

        Raises:
            ConfigError: a capacity below 2.
            StateError: the file is damaged, not a replay buffer, not accessible, or of a newer version.
            LockedError: another process is upgrading it.
        """
        if capacity < 2:
            raise ConfigError(f"the replay buffer's capacity is {capacity}, expected 2 or more")
        return cls(
            Database(path, now_s=clock.now_s(), max_bytes=max_bytes),
            clock=clock,
            capacity=capacity,
            max_copies=max_copies,
            per_source_day=per_source_day,
            salt=salt,
        )

    def close(self) -> None:
        """Close the connection; what was committed is safe whether or not this is called."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def cursor(self, source: str) -> bytes | None:
        """Return how far `source` has been ingested, as that source wrote it; None before the first time."""
        with self._database.reading() as connection:
            return cursors.cursor(connection, source)

    def move_cursor(self, source: str, cursor: bytes | None) -> None:
        """Store how far a log was copied into the journal; None is its beginning again."""
        with self._database.writing() as connection:
            cursors.move(connection, source, cursor)

    def advance_cursor(self, source: str, cursor: bytes, *, expected: bytes | None) -> bool:
        """Store how far a log was copied, unless another reader has moved the cursor from where this one began."""
        with self._database.writing() as connection:
            return cursors.advance(connection, source, cursor, expected=expected)

    def known_exchanges(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those of `ids` that were ingested, as far back as answers are remembered."""
        with self._database.reading() as connection:
            return reading.known_exchanges(connection, ids)

    def ingest(
        self,
        source: str,
        cursor: bytes,
        answered: Sequence[Answered],
        items: Sequence[Item],
        *,
        flagged: Sequence[Flagged] = (),
        early: Sequence[Feedback] = (),
        settled: Sequence[str] = (),
        superseded: Sequence[Answered] = (),
        withdrawn: Sequence[str] = (),
    ) -> IngestCounts:
        """Store a batch together with the source's new cursor: all or nothing, so every line counts exactly once.

        A known id is ignored, unless its signal is stronger now; a forgotten one stays forgotten. A near-copy
        beyond `max_copies` is left out, unless its signal is stronger than the weakest copy's, which then gives way. What
        exceeds the capacity is evicted in the same transaction. Of `flagged`, what was left out for what it holds, as
        many are remembered as the buffer has places, and as much of `early`, feedback that waits for its exchange.
        `settled` are the ids of feedback that waits no longer; what reading `superseded` brought goes, unless a cycle
        has used it; and so do the lessons in `withdrawn`, which may come back.

        Raises:
            DataError: text that cannot be stored.
            StateError: the disk is full; nothing of the batch was stored and the cursor has not moved.
        """
        with self._database.writing() as connection:
            ingestion.add_answers(connection, answered, capacity=self._capacity)
            ingestion.supersede(connection, superseded)
            ingestion.withdraw(connection, withdrawn)
            counts = ingestion.add_items(
                connection,
                items,
                now_s=self._clock.now_s(),
                max_copies=self._max_copies,
                salt=self._salt,
                per_source_day=self._per_source_day,
            )
            reviewing.add_findings(connection, flagged, now_s=self._clock.now_s(), most=self._capacity)
            early_rows.settle(connection, settled)
            if early:
                early_rows.keep(connection, early, most=self._capacity)
            evicted = retention.evict(connection, capacity=self._capacity)
            cursors.move(connection, source, cursor)
        return replace(counts, evicted=counts.evicted + evicted)

    def withhold_answers(self, holds_secret: Callable[[str], bool]) -> int:
        """Take the text of remembered answers that hold a secret away, of those that earlier releases stored.

        Returns how many were looked through; costs nothing once all are.
        """
        done = 0
        while True:
            with self._database.writing() as connection:
                count = ingestion.withhold(connection, holds_secret, most=_PAGE_ITEMS)
            done += count
            if count == 0:
                break
        if done:
            self._database.scrub()
        return done

    def answers(self, prefix: str) -> tuple[Answered, ...]:
        """Return the remembered answers to one prompt, oldest first."""
        with self._database.reading() as connection:
            return reading.answers(connection, prefix)

    def answered(self, exchange_ids: Collection[str]) -> tuple[Answered, ...]:
        """Return the remembered answers of these exchanges."""
        with self._database.reading() as connection:
            return reading.answered(connection, exchange_ids)

    def twins(self, pairs: Sequence[str], *, since_s: float, until_s: float) -> tuple[Answered, ...]:
        """Return the remembered answers of these pairs between two times, oldest first."""
        with self._database.reading() as connection:
            return reading.twins(connection, pairs, since_s=since_s, until_s=until_s)

    def made_by(self, exchange_id: str) -> tuple[Item, ...]:
        """Return the held items that reading this exchange brought and that no cycle has used."""
        with self._database.reading() as connection:
            return tuple(item for _, item in reading.made_by(connection, exchange_id))

    def early_feedback(self, exchange_ids: Sequence[str]) -> tuple[Feedback, ...]:
        """Return the feedback that waits for any of these exchanges, oldest first."""
        with self._database.reading() as connection:
            return early_rows.waiting_for(connection, exchange_ids)

    def waiting_feedback(self) -> tuple[Feedback, ...]:
        """Return all feedback that waits for its exchange, oldest first."""
        with self._database.reading() as connection:
            return early_rows.waiting(connection)

    def get(self, item_id: str) -> Item | None:
        """Return the item with this id, if it is held."""
        with self._database.reading() as connection:
            return reading.item(connection, item_id)

    def items(
        self,
        *,
        split: Split | None = None,
        signal: Signal | None = None,
        trained: bool | None = None,
        limit: int | None = None,
        newest: int | None = None,
        after: str | None = None,
    ) -> Iterator[Item]:
        """Yield items in order of arrival, a page at a time: memory stays small and a writer is never blocked.

        Args:
            split: only items of this split.
            signal: only items with this signal.
            trained: only items that a cycle has used (True) or has not (False).
            limit: at most this many, from the oldest on.
            newest: of those that match, only the last this many to arrive; still oldest first.
            after: go on behind this item.

        Raises:
            DataError: `after` names an item that is not held.
        """
        with self._database.reading() as connection:
            position = reading.position(connection, after)
            if newest is not None:
                start = reading.before_newest(connection, newest, split=split, signal=signal, trained=trained)
                position = max(position, start)
        left = limit
        while left is None or left > 0:
            size = _PAGE_ITEMS if left is None else min(left, _PAGE_ITEMS)
            with self._database.reading() as connection:
                page = reading.page(
                    connection, after_seq=position, size=size, split=split, signal=signal, trained=trained
                )
            yield from page.items
            if len(page.items) < size:
                return
            position = page.last_seq
            left = None if left is None else left - size

    def stats(self) -> BufferStats:
        """Return counts of what is held, all as of one moment."""
        with self._database.reading() as connection:
            return counting.stats(connection, capacity=self._capacity)

    def quarantined(self, quarantine_s: float) -> Quarantined:
        """Return what `new_items` and `judges` leave out because it arrived less than `quarantine_s` ago.

        What a person has accepted does not wait.
        """
        with self._database.reading() as connection:
            return counting.quarantined(connection, newest_s=self._clock.now_s() - quarantine_s)

    def mark_trained(self, ids: Iterable[str], cycle: str) -> int:
        """Record that a cycle, accepted or rejected, has used these items; returns how many were new to that.

        Marking again changes nothing: the first cycle stays.
        """
        query = "UPDATE items SET cycle = ?, stage = stage | 1 WHERE id = ? AND cycle IS NULL"
        with self._database.writing() as connection:
            return sum(connection.execute(query, (cycle, item_id)).rowcount for item_id in ids)

    def new_items(
        self,
        limit: int,
        *,
        quarantine_s: float = 0.0,
        per_source: int | None = None,
        trusted: Collection[str] = (),
        review: Review = "none",
    ) -> tuple[Item, ...]:
        """Return up to `limit` lessons that no cycle has used: train split, weight above 0, in order of arrival.

        Args:
            limit: at most this many.
            quarantine_s: leave out what arrived less than this long ago, by this machine's clock: a log that
                others write can claim any time.
            per_source: at most this many of all sources together that are not trusted: a line names its own.
            trusted: sources that `per_source` does not bound.
            review: leave out what a person has to accept first and has not.
        """
        newest_s = self._clock.now_s() - quarantine_s
        with self._database.reading() as connection:
            return reading.new_items(
                connection,
                limit,
                newest_s=newest_s,
                per_source=per_source,
                trusted=tuple(trusted),
                review=review,
            )

    def judges(
        self,
        limit: int,
        *,
        quarantine_s: float = 0.0,
        per_source: int | None = None,
        trusted: Collection[str] = (),
        review: Review = "none",
        keep: Keep | None = None,
    ) -> tuple[Item, ...]:
        """Return the newest `limit` held-out items, oldest first, under the limits of `new_items`.

        Whoever fills the held-out set decides what every candidate is judged by: poison as good as a lesson.

        Args:
            limit: at most this many.
            quarantine_s: as in `new_items`.
            per_source: likewise.
            trusted: likewise.
            review: likewise.
            keep: which of them are wanted; all where it is not given.
        """
        newest_s = self._clock.now_s() - quarantine_s
        with self._database.reading() as connection:
            return reading.judges(
                connection,
                limit,
                newest_s=newest_s,
                per_source=per_source,
                trusted=tuple(trusted),
                review=review,
                keep=keep,
            )

    def open_sets(self, *, at_least: int) -> bool:
        """Open the held-out sets beside the screen to what arrives from now on: see `opening`. Says if they are open."""
        with self._database.writing() as connection:
            return opening.open_sets(connection, at_least=at_least, now_s=self._clock.now_s())

    def record_surprise(self, losses: Iterable[ItemLoss]) -> int:
        """Store measured losses and the priority that follows from them; returns how many items were held.

        The first `loss_accepted` of an item stays: it is what its forgetting is measured against.
        """
        with self._database.writing() as connection:
            return sum(surprise.record(connection, one) for one in losses)

    def draw(self, count: int, *, rng: random.Random, exclude: Collection[str] = ()) -> tuple[Drawn, ...]:
        """Draw up to `count` past lessons without replacement, for replay beside new ones.

        Only items that a cycle has used can be drawn: what waits in quarantine does not slip in as replay. Three
        times as many are drawn in proportion to priority^.6; of them those stay whose loss rose most since the
        last accepted adapter. Equal buffers and equal `rng` states give equal draws.
        """
        with self._database.reading() as connection:
            return drawing.draw(connection, count, rng=rng, exclude=exclude)

    def check(self) -> tuple[str, ...]:
        """Verify the whole file and its bookkeeping; returns what is wrong, nothing if it is sound."""
        with self._database.reading() as connection:
            return integrity.check(connection)

    def _insert(self, connection: sqlite3.Connection, item: Item) -> None:
        ingestion.add_items(
            connection, (item,), now_s=self._clock.now_s(), max_copies=self._max_copies, salt=self._salt
        )
        retention.evict(connection, capacity=self._capacity)
