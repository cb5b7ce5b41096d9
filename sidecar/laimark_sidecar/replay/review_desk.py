"""The buffer's side of review: what waits for a person, what was left out for what it holds, what was accepted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection

from laimark_sidecar.clock import Clock
from laimark_sidecar.replay import forgetting, reviewing
from laimark_sidecar.replay.database import Database
from laimark_sidecar.replay.flagged import Flagged
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.reviewing import Review

_PAGE_ITEMS = 256


class ReviewDesk:
    """A part of `ReplayStore`; every writing method is one transaction, on the disk when it returns."""

    def __init__(
        self, database: Database, *, clock: Clock, insert: Callable[[sqlite3.Connection, Item], None]
    ) -> None:
        self._database = database
        self._clock = clock
        self._insert = insert

    def findings(self, *, limit: int = _PAGE_ITEMS) -> tuple[Flagged, ...]:
        """Return what was left out for what it holds and nobody has decided on, the newest first."""
        with self._database.reading() as connection:
            return reviewing.findings(connection, limit=limit)

    def is_false_alarm(self, item_id: str) -> bool:
        """Say whether a person has said that what is found in this example is nothing."""
        with self._database.reading() as connection:
            return reviewing.is_false_alarm(connection, item_id)

    def waiting(
        self,
        *,
        quarantine_s: float = 0.0,
        review: Review = "none",
        trusted: Collection[str] = (),
        limit: int = _PAGE_ITEMS,
    ) -> tuple[tuple[Item, float], ...]:
        """Return what `new_items` and `judges` leave out for now and when it arrived, the newest first."""
        with self._database.reading() as connection:
            return reviewing.waiting(
                connection,
                newest_s=self._clock.now_s() - quarantine_s,
                review=review,
                trusted=tuple(trusted),
                limit=limit,
            )

    def accept(self, item_id: str, *, item: Item | None = None, replaces: str = "") -> None:
        """Remember that a person wants an example learned: neither quarantine nor review holds it back.

        Args:
            item_id: of the example; it is remembered whether the item is held or not.
            item: the example itself, where it is not held yet: it was flagged, so this is a false alarm too, or it
                stands for another one.
            replaces: the example that `item` stands for, which is forgotten.
        """
        now_s = self._clock.now_s()
        with self._database.writing() as connection:
            reviewing.accept(connection, item_id, now_s=now_s, false_alarm=item is not None and not replaces)
            if replaces:
                forgetting.forget(connection, replaces, now_s=now_s)
            if item is not None:
                self._insert(connection, item)
