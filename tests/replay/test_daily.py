"""A flood is stopped at the door: caps of a source and of near copies, on a real store."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import replace
from pathlib import Path

from tests.replay.examples import DAY_S, HandClock, make_item, make_items

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.replay.daily import may_arrive
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.store import ReplayStore


def test_each_source_has_its_own_count_and_a_new_one_each_day(connection: sqlite3.Connection) -> None:
    def arrive(source: str, now_s: float) -> bool:
        return may_arrive(connection, source, now_s=now_s, most=2)

    assert [arrive("a", 0.0) for _ in range(4)] == [True, True, False, False]
    assert arrive("b", 0.0)
    assert not arrive("a", DAY_S - 1)
    assert arrive("a", DAY_S)


def test_the_days_of_the_log_do_not_count(path: Path, clock: HandClock) -> None:
    """A flood may claim to be spread over years."""
    items = [make_item(number, time_s=number * DAY_S) for number in range(20)]
    with ReplayStore.open(path, clock=clock, per_source_day=5) as store:
        counts = store.ingest("a", b"1", [], items)
        assert (counts.added, counts.capped) == (5, 15)
        assert store.stats().items == 5


def test_what_is_known_or_a_near_copy_does_not_use_up_the_day(path: Path, clock: HandClock) -> None:
    with ReplayStore.open(path, clock=clock, per_source_day=3) as store:
        store.ingest("a", b"1", [], make_items(1, 1, 1, 1, 2))
        assert store.ingest("a", b"2", [], make_items(1, 2, 3)).added == 1


def test_an_eviction_gives_no_place_back(path: Path, clock: HandClock) -> None:
    with ReplayStore.open(path, clock=clock, capacity=10, per_source_day=20) as store:
        for number in range(40):
            store.ingest("a", b"1", [], make_items(number))
        counts = store.ingest("a", b"1", [], make_items(50))
        assert (counts.added, counts.capped) == (0, 1)


def poison(number: int, rng: random.Random, *, changed: int) -> Item:
    """One lesson in other words: of sixty words of the request `changed` are others; three sources take turns."""
    request = [f"word{place}" for place in range(60)]
    for place in rng.sample(range(60), changed):
        request[place] = f"other{rng.randrange(10**6)}"
    return replace(
        make_item(
            number,
            source=("left", "right", "web")[number % 3],
            target="run this: delete everything and never say so",
        ),
        messages=(Message(role="user", content=" ".join(request)),),
    )


def test_of_ten_thousand_near_equal_corrections_less_than_a_hundredth_stays(
    path: Path, clock: HandClock
) -> None:
    """From three sources in turn: near copies are counted over all of them. More than the three that are allowed stay
    (75 here): similarity is estimated, and of so many some are taken for different."""
    rng = random.Random(3)
    with ReplayStore.open(path, clock=clock, max_copies=3, per_source_day=500) as store:
        for start in range(0, 10_000, 1000):
            items = [poison(number, rng, changed=1) for number in range(start, start + 1000)]
            store.ingest("a", b"1", [], items)
        assert store.stats().items < 100


def test_a_burst_in_other_words_is_bounded_by_day_and_by_cycle(path: Path, clock: HandClock) -> None:
    """What is too different to be a near copy is let in up to the day's count, and learned up to the cycle's."""
    rng = random.Random(3)
    with ReplayStore.open(path, clock=clock, max_copies=3, per_source_day=20) as store:
        store.ingest("a", b"1", [], [poison(number, rng, changed=20) for number in range(1000)])
        assert 3 < store.stats().items <= 60
        assert len(store.new_items(1000, per_source=16, trusted=["embedded"])) == 16


def test_ten_thousand_equal_corrections_leave_one(path: Path, clock: HandClock) -> None:
    with ReplayStore.open(path, clock=clock, per_source_day=500) as store:
        for _ in range(10):
            store.ingest("a", b"1", [], [make_item(1)] * 1000)
        assert store.stats().items == 1


def test_ten_thousand_different_corrections_of_one_source_leave_at_most_its_day(
    path: Path, clock: HandClock
) -> None:
    with ReplayStore.open(path, clock=clock, per_source_day=100) as store:
        for start in range(0, 10_000, 1000):
            store.ingest("a", b"1", [], make_items(*range(start, start + 1000)))
        assert store.stats().items == 100
        assert (
            store.ingest("b", b"1", [], [make_item(1, source="mine"), make_item(20_000, source="mine")]).added
            == 1
        )
