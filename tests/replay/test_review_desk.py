"""What a person decides, on a real store."""

from __future__ import annotations

from dataclasses import replace

from tests.replay.examples import DAY_S, make_flagged, make_item, make_items, numbers

from laimark_sidecar.replay.store import ReplayStore


def test_a_false_alarm_comes_in_at_once_and_is_never_flagged_again(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], [], flagged=[make_flagged(1)])
    store.review.accept("item-000001", item=make_item(1))
    assert store.review.findings() == ()
    assert store.review.is_false_alarm("item-000001")
    assert numbers(store.new_items(9, quarantine_s=DAY_S)) == [1]
    store.ingest("a", b"2", [], [], flagged=[make_flagged(1)])
    assert store.review.findings() == ()


def test_an_accepted_item_leaves_quarantine_at_once(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], [*make_items(1, 2), *make_items(3, 4, split="heldout")])
    assert store.new_items(9, quarantine_s=DAY_S) == store.judges(9, quarantine_s=DAY_S) == ()
    store.review.accept("item-000002")
    store.review.accept("item-000003")
    assert numbers(store.new_items(9, quarantine_s=DAY_S)) == [2]
    assert numbers(store.judges(9, quarantine_s=DAY_S)) == [3]
    waiting = store.quarantined(DAY_S)
    assert (waiting.lessons, waiting.heldout) == (1, 1)
    assert [item.id[-1] for item, _ in store.review.waiting(quarantine_s=DAY_S)] == ["4", "1"]


def test_an_acceptance_outlives_eviction(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], make_items(1))
    store.review.accept("item-000001")
    stronger = replace(make_item(1), weight=2.0)
    store.ingest("a", b"2", [], [stronger])
    assert numbers(store.new_items(9, review="all")) == [1]


def test_an_item_that_stands_for_another_one_replaces_it(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], make_items(1))
    store.review.accept("item-000002", item=make_item(2), replaces="item-000001")
    assert [item.id for item in store.items()] == ["item-000002"]
    assert store.oblivion.forgotten(["item-000001", "item-000002"]) == {"item-000001"}
    assert not store.review.is_false_alarm("item-000002")
    assert numbers(store.new_items(9, review="all")) == [2]
