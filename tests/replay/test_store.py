from __future__ import annotations

import random
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from tests.replay.examples import HandClock, make_items

from laimark_sidecar.errors import ConfigError, StateError
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.replay.surprise import ItemLoss


def test_what_was_stored_is_there_after_opening_again(path: Path, clock: HandClock) -> None:
    with ReplayStore.open(path, clock=clock) as store:
        store.ingest("a", b"1", [], make_items(1, 2))
        store.mark_trained(["item-000001"], "cycle-1")
    with ReplayStore.open(path, clock=clock) as again:
        assert (again.cursor("a"), again.stats().trained, again.stats().untrained) == (b"1", 1, 1)


def test_garbage_is_refused_and_left_alone(path: Path, clock: HandClock) -> None:
    path.write_bytes(b"not a database, but somebody's file " * 200)
    before = path.read_bytes()
    with pytest.raises(StateError, match="damaged"):
        ReplayStore.open(path, clock=clock)
    assert path.read_bytes() == before


def test_a_cut_file_is_refused(path: Path, clock: HandClock) -> None:
    with ReplayStore.open(path, clock=clock) as store:
        store.ingest("a", b"1", [], make_items(*range(50)))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(StateError, match="damaged") as caught:
        ReplayStore.open(path, clock=clock)
    assert "backup" in caught.value.hint


def test_a_newer_version_is_refused(path: Path, clock: HandClock) -> None:
    ReplayStore.open(path, clock=clock).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO migrations VALUES (99, 'later', 0)")
    with pytest.raises(StateError, match="version 99"):
        ReplayStore.open(path, clock=clock)


def test_a_capacity_without_room_for_both_splits_is_refused(path: Path, clock: HandClock) -> None:
    with pytest.raises(ConfigError, match="capacity is 1"):
        ReplayStore.open(path, clock=clock, capacity=1)
    assert not path.exists()


def test_a_smaller_capacity_takes_effect_with_the_next_batch(path: Path, clock: HandClock) -> None:
    with ReplayStore.open(path, clock=clock, capacity=100) as store:
        store.ingest("a", b"1", [], make_items(*range(60)))
    with ReplayStore.open(path, clock=clock, capacity=20) as smaller:
        assert smaller.ingest("a", b"2", [], ()).evicted == 43
        assert smaller.stats().items == 17


def test_equal_histories_keep_equal_items(tmp_path: Path, clock: HandClock) -> None:
    kept = []
    for name in ("one.db", "two.db"):
        with ReplayStore.open(tmp_path / name, clock=clock, capacity=20) as store:
            for start in range(0, 60, 10):
                store.ingest("a", b"1", [], make_items(*range(start, start + 10)))
            kept.append([item.id for item in store.items()])
    assert kept[0] == kept[1]


def test_marking_again_changes_nothing(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], make_items(1, 2))
    assert store.mark_trained(["item-000001", "unknown"], "cycle-1") == 1
    assert store.mark_trained(["item-000001", "item-000002"], "cycle-2") == 1
    assert store.new_items(9) == ()


def test_recorded_surprise_counts_the_items_that_are_held(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], make_items(1))
    losses = [ItemLoss(id=one, loss=2.0, loss_hint=1.0) for one in ("item-000001", "evicted long ago")]
    assert store.record_surprise(losses) == 1


def test_the_accepted_loss_stays_when_a_measurement_has_none(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], make_items(*range(6)))
    ids = [item.id for item in store.items()]
    store.mark_trained(ids, "cycle-1")
    store.record_surprise(ItemLoss(id=one, loss=1.0, loss_hint=0.0, loss_accepted=1.0) for one in ids)
    store.record_surprise([ItemLoss(id=ids[3], loss=3.0, loss_hint=2.0)])
    store.record_surprise([ItemLoss(id=ids[4], loss=2.0, loss_hint=1.0)])
    assert sorted(drawn.item.id for drawn in store.draw(2, rng=random.Random(0))) == [ids[3], ids[4]]


def test_threads_may_share_one_store(store: ReplayStore) -> None:
    failures: list[BaseException] = []

    def write(first: int) -> None:
        try:
            for number in range(first, first + 10):
                store.ingest(f"source-{first}", b"%d" % number, [], make_items(number))
                store.stats()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [
        threading.Thread(target=write, args=(first,), name=f"writer-{first}") for first in (0, 100, 200)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.stats().items == 30


def test_a_reader_sees_the_last_commit_while_another_writes(
    store: ReplayStore, path: Path, clock: HandClock
) -> None:
    store.ingest("a", b"1", [], make_items(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE cursors SET position = x'32'")
        with ReplayStore.open(path, clock=clock) as reader:
            assert (reader.cursor("a"), reader.stats().items) == (b"1", 1)
        writer.execute("COMMIT")
    assert store.cursor("a") == b"2"


def test_losses_without_a_hint_are_kept_and_leave_the_priority(store: ReplayStore, path: Path) -> None:
    store.ingest("a", b"1", [], make_items(1))
    store.record_surprise([ItemLoss(id="item-000001", loss=3.0, loss_hint=1.0)])
    store.record_surprise([ItemLoss(id="item-000001", loss=5.0, loss_hint=None, loss_accepted=4.0)])
    query = "SELECT loss, loss_accepted, priority / weight FROM items"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(query).fetchone() == (5.0, 4.0, 2.0)


def test_only_what_was_removed_counts_as_forgotten(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], make_items(1, 2))
    store.oblivion.remove(["item-000001"])
    assert store.oblivion.forgotten(["item-000001", "item-000002", "evicted"]) == {"item-000001"}
