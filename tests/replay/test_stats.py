from __future__ import annotations

from tests.replay.examples import HandClock, make_answer, make_item, make_items

from laimark_sidecar.replay.stats import BufferStats, Quarantined
from laimark_sidecar.replay.store import ReplayStore


def test_an_empty_buffer_counts_nothing(store: ReplayStore) -> None:
    assert store.stats() == BufferStats(
        items=0,
        capacity=100,
        untrained=0,
        trained=0,
        by_split={},
        by_signal={},
        by_domain={},
        by_month={},
        by_source={},
        answered=0,
        removed=0,
    )


def test_every_item_is_counted_under_each_of_its_kinds(store: ReplayStore) -> None:
    items = [
        make_item(1, source="a", domain="code:python"),
        make_item(2, signal="praise", source="b"),
        make_item(3, split="heldout"),
        make_item(4, signal="correction"),
    ]
    store.ingest("journal", b"1", [make_answer(1)], items)
    store.mark_trained(["item-000004"], "cycle-1")
    store.oblivion.remove(["gone"])
    stats = store.stats()
    assert (stats.items, stats.untrained, stats.trained, stats.answered, stats.removed) == (4, 1, 1, 1, 1)
    assert stats.by_split == {"heldout": 1, "train": 3}
    assert stats.by_signal == {"correction": 1, "edit": 2, "praise": 1}
    assert stats.by_domain == {"code:python": 1, "text": 3}
    assert stats.by_source == {"a": 1, "b": 1, "journal": 2}


def test_what_can_never_be_trained_is_not_waiting(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], (*make_items(1, split="heldout"), *make_items(2, signal="none")))
    assert store.stats().untrained == 0


def test_what_arrived_too_recently_is_counted_as_the_queries_leave_it_out(
    store: ReplayStore, clock: HandClock
) -> None:
    store.ingest("a", b"1", [], (*make_items(1, 2), *make_items(3, split="heldout")))
    clock.time_s += 60
    store.ingest("a", b"2", [], (*make_items(4, 5, 6), *make_items(7, 8, split="heldout")))
    store.ingest("a", b"3", [], make_items(9, signal="none"))
    store.mark_trained(["item-000006"], "cycle-1")
    assert store.quarantined(30) == Quarantined(lessons=2, heldout=2, newest_s=clock.time_s)
    assert (len(store.new_items(9)), len(store.new_items(9, quarantine_s=30))) == (4, 2)
    assert (len(store.judges(9)), len(store.judges(9, quarantine_s=30))) == (3, 1)
    assert store.quarantined(90) == Quarantined(lessons=4, heldout=3, newest_s=clock.time_s)
    assert store.quarantined(0) == Quarantined(lessons=0, heldout=0, newest_s=0.0)
