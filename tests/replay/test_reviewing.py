"""Quarantine, acceptance by hand and findings, on a real store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.replay.examples import (
    HandClock,
    add_as_version_one,
    make_flagged,
    make_item,
    make_items,
    numbers,
    words,
)

from laimark_sidecar.replay.body import encode_body
from laimark_sidecar.replay.migrations import MIGRATIONS, migrate
from laimark_sidecar.replay.reviewing import Review
from laimark_sidecar.replay.store import ReplayStore


def test_what_was_left_out_is_remembered_newest_first(store: ReplayStore, clock: HandClock) -> None:
    store.ingest("a", b"1", [], [], flagged=[make_flagged(1)])
    clock.time_s += 1
    store.ingest("a", b"2", [], [], flagged=[make_flagged(2), make_flagged(1)])
    assert store.review.findings() == (make_flagged(2), make_flagged(1))
    assert store.review.findings(limit=1) == (make_flagged(2),)


def test_as_many_findings_are_kept_as_the_buffer_has_places(path: Path, clock: HandClock) -> None:
    with ReplayStore.open(path, clock=clock, capacity=5) as store:
        for number in range(9):
            clock.time_s += 1
            store.ingest("a", b"1", [], [], flagged=[make_flagged(number)])
        assert [one.item_id for one in store.review.findings()] == [
            make_flagged(number).item_id for number in (8, 7, 6, 5, 4)
        ]


def test_what_is_forgotten_is_no_finding_any_more_and_does_not_come_back(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], [], flagged=[make_flagged(1), make_flagged(2)])
    store.oblivion.remove(["item-000001"])
    assert store.review.findings() == (make_flagged(2),)
    store.ingest("a", b"2", [], [], flagged=[make_flagged(1)])
    assert store.review.findings() == (make_flagged(2),)


def test_forgetting_takes_back_the_acceptance(store: ReplayStore) -> None:
    store.review.accept("item-000001", item=make_item(1))
    store.oblivion.remove(["item-000001"])
    assert not store.review.is_false_alarm("item-000001")
    assert list(store.items()) == []


@pytest.mark.parametrize(
    ("review", "ready", "judging"),
    [("none", [1, 2, 5], [3, 4]), ("untrusted", [1, 5], [3]), ("all", [5], [])],
)
def test_review_holds_back_what_nobody_has_accepted(
    store: ReplayStore, review: Review, ready: list[int], judging: list[int]
) -> None:
    mine, theirs = make_item(1, source="mine"), make_item(2, source="theirs")
    judges = [make_item(3, source="mine", split="heldout"), make_item(4, source="theirs", split="heldout")]
    store.ingest("a", b"1", [], [mine, theirs, *judges, make_item(5, source="theirs")])
    store.review.accept("item-000005")
    assert numbers(store.new_items(9, review=review, trusted=["mine"])) == ready
    assert numbers(store.judges(9, review=review, trusted=["mine"])) == judging
    waiting = tuple(item for item, _ in store.review.waiting(review=review, trusted=["mine"]))
    assert numbers(waiting) == sorted({1, 2, 3, 4, 5} - {*ready, *judging})


def test_what_was_trained_on_does_not_wait(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], make_items(1))
    store.mark_trained(["item-000001"], "cycle")
    assert store.review.waiting(review="all") == ()


def test_a_store_of_version_one_is_carried_over_with_all_it_holds(path: Path, clock: HandClock) -> None:
    """Written by the statements of version 1 alone, as the release before this one has it."""
    items = [make_item(1), make_item(2, split="heldout"), make_item(3, target=words(7))]
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        migrate(old, path=path, now_s=1.0, migrations=MIGRATIONS[:1])
        add_as_version_one(old, items)
        old.execute("INSERT INTO cursors VALUES ('a', x'31')")
        old.execute("INSERT INTO tombstones VALUES ('item-000009', 2.0)")
    with ReplayStore.open(path, clock=clock) as store:
        assert [encode_body(item) for item in store.items()] == [encode_body(item) for item in items]
        assert store.cursor("a") == b"1"
        assert store.oblivion.forgotten(["item-000009"]) == {"item-000009"}
        assert numbers(store.new_items(9)) == [1, 3]
        store.ingest("a", b"2", [], [], flagged=[make_flagged(9), make_flagged(8)])
        assert store.review.findings() == (make_flagged(8),)
        assert store.check() == ()
