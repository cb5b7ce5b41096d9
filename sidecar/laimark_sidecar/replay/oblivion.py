"""The buffer's side of forgetting: what goes for good, what it was made from, and what is known to be gone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from laimark_sidecar.clock import Clock
from laimark_sidecar.replay import forgetting, reading
from laimark_sidecar.replay.database import Database
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.trace import Trace


class Oblivion:
    """A part of `ReplayStore`; every writing method is one transaction, on the disk when it returns."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def remove(self, ids: Iterable[str]) -> int:
        """Forget items and the answers they were made from, for good; returns how many items were held.

        The ids are remembered, so reading the same journal again does not bring them back. The text is
        overwritten in the file and the write-ahead log is emptied, as far as other readers allow it.
        """
        with self._database.writing() as connection:
            removed = sum(
                forgetting.forget(connection, item_id, now_s=self._clock.now_s()) for item_id in ids
            )
        self.scrub()
        return removed

    def forget_exchanges(
        self, ids: Collection[str], *, items: Collection[str] = (), traces: Iterable[Trace] = ()
    ) -> int:
        """Forget exchanges, every lesson made from them, and `items`, for good; returns how many items were held.

        `traces` are what they will be known by if they are told again. Call `scrub` afterwards.
        """
        now_s = self._clock.now_s()
        with self._database.writing() as connection:
            forgetting.remember(connection, traces, now_s=now_s)
            removed = sum(forgetting.forget(connection, item_id, now_s=now_s) for item_id in items)
            return removed + forgetting.forget_exchanges(connection, ids, now_s=now_s)

    def has_traces(self) -> bool:
        """Whether anything was ever forgotten that might be told again."""
        with self._database.reading() as connection:
            return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM traces)").fetchone()[0])

    def traces(self, hashes: Collection[str]) -> dict[str, tuple[Trace, ...]]:
        """Return what forgotten exchanges are known by, of these hashes."""
        with self._database.reading() as connection:
            return forgetting.remembered(connection, hashes)

    def scrub(self) -> bool:
        """Empty the write-ahead log, where overwritten text may stand; says whether other readers allowed it."""
        return self._database.scrub()

    def made_from(self, exchange_ids: Collection[str]) -> frozenset[str]:
        """Return the ids of all items ever made from these exchanges, whether they are held or not."""
        with self._database.reading() as connection:
            return forgetting.made_from(connection, exchange_ids)

    def matching(
        self, item: Callable[[Item], bool], answer: Callable[[str], bool]
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Return the ids of held items, and of exchanges whose answer is remembered, that these say yes to."""
        with self._database.reading() as connection:
            return forgetting.matching(connection, item, answer)

    def count_as_new(self, cycles: Collection[str], *, known: Collection[str]) -> int:
        """Let lessons that only these cycles used, and no version that stays has learned (`known`), count as new again."""
        with self._database.writing() as connection:
            return forgetting.count_as_new(connection, cycles, known=known)

    def forgotten(self, ids: Collection[str]) -> frozenset[str]:
        """Return those of `ids` that were removed for good; what was merely evicted is not among them."""
        with self._database.reading() as connection:
            return reading.forgotten(connection, ids)
