"""One batch: what comes in, what is refused, and that a kill at any point leaves whole batches only."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.replay.examples import NOVEMBER_S, HandClock, make_answer, make_item, make_items

from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.replay.ingestion import ANSWERS_PER_PLACE, IngestCounts
from laimark_sidecar.replay.store import ReplayStore

BATCH = 5
_WRITER = """
import sys
from pathlib import Path
from laimark_sidecar.replay.store import ReplayStore
from tests.replay.examples import HandClock, make_answer, make_item
path, source, first, batch, batches = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
with ReplayStore.open(path, clock=HandClock(), capacity=100_000) as store:
    done = int(store.cursor(source) or b"0")
    for number in range(done, batches):
        numbers = [first + number * batch + place for place in range(batch)]
        answers, items = [make_answer(n) for n in numbers], [make_item(n, source=source) for n in numbers]
        store.ingest(source, b"%d" % (number + 1), answers, items)
        print(number, flush=True)
"""


def start_writer(path: Path, source: str, first: int, batches: int) -> subprocess.Popen[bytes]:
    arguments = [str(path), source, str(first), str(BATCH), str(batches)]
    return subprocess.Popen([sys.executable, "-c", _WRITER, *arguments], stdout=subprocess.PIPE)


def ingest_batches(store: ReplayStore, numbers: range) -> None:
    for number in numbers:
        items = make_items(*range(number * BATCH, (number + 1) * BATCH))
        store.ingest("a", b"%d" % (number + 1), [], items)


def test_a_batch_says_what_became_of_its_items(store: ReplayStore) -> None:
    counts = store.ingest("a", b"1", [], make_items(1, 2, 2))
    assert counts == IngestCounts(added=2, duplicate=1, near_duplicate=0, evicted=0)


def test_reading_the_same_lines_again_changes_nothing(store: ReplayStore) -> None:
    batch = make_items(1, 2, 3)
    store.ingest("a", b"1", [make_answer(1)], batch)
    before = store.stats()
    assert store.ingest("a", b"1", [make_answer(1)], batch).duplicate == 3
    assert store.stats() == before


def test_a_held_out_item_stays_held_out_when_it_comes_again_as_training(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], make_items(1, split="heldout"))
    store.ingest("a", b"2", [], make_items(1, split="train"))
    assert store.stats().by_split == {"heldout": 1}


def test_a_stronger_signal_replaces_a_weaker_one_and_not_the_other_way(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], [make_item(1, signal="praise")])
    assert store.new_items(9) == ()
    accepted = make_item(1, signal="accept")
    assert store.ingest("a", b"2", [], [accepted]).stronger == 1
    assert store.ingest("a", b"3", [], [make_item(1, signal="praise")]).duplicate == 1
    assert store.new_items(9) == (accepted,)
    assert store.check() == ()


def test_a_lesson_used_by_a_cycle_stays_used_when_its_signal_rises(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], [make_item(1, signal="accept")])
    store.mark_trained(["item-000001"], "cycle-1")
    store.ingest("a", b"2", [], [make_item(1, signal="edit")])
    assert (store.new_items(9), store.stats().trained, store.stats().by_signal) == ((), 1, {"edit": 1})
    assert store.check() == ()


def test_the_buffer_never_grows_beyond_its_capacity(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], make_items(*range(200)))
    counts = store.ingest("a", b"2", [], make_items(*range(200, 260), split="heldout"))
    assert counts.evicted == 45
    assert store.stats().by_split == {"heldout": 15, "train": 85}


def test_the_oldest_answers_are_dropped(path: Path, clock: HandClock) -> None:
    with ReplayStore.open(path, clock=clock, capacity=2) as store:
        store.ingest("a", b"1", [make_answer(number) for number in range(2 * ANSWERS_PER_PLACE + 3)], [])
        kept = [answer.exchange_id for answer in store.answers("prefix")]
    assert kept == [f"exchange-{number:06}" for number in range(3, 2 * ANSWERS_PER_PLACE + 3)]


def test_text_that_cannot_be_stored_moves_no_cursor(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], make_items(1))
    with pytest.raises(DataError):
        store.ingest("a", b"2", [make_answer(2)], [make_item(2), make_item(3, target="\ud800")])
    assert (store.cursor("a"), store.get("item-000002"), store.answers("prefix")) == (b"1", None, ())


def test_a_full_disk_loses_nothing_and_says_what_to_do(path: Path, clock: HandClock) -> None:
    with ReplayStore.open(path, clock=clock, max_bytes=200 * 1024) as store:
        with pytest.raises(StateError, match="no room") as caught:
            ingest_batches(store, range(1000))
        assert "free disk space" in caught.value.hint
        batches = int(store.cursor("a") or b"0")
        assert batches > 2
        assert store.stats().items == batches * BATCH
        assert store.check() == ()
    with ReplayStore.open(path, clock=clock) as roomy:
        roomy.ingest(
            "a", b"%d" % (batches + 1), [], make_items(*range(batches * BATCH, (batches + 1) * BATCH))
        )
        assert roomy.stats().items == (batches + 1) * BATCH


def test_killed_at_any_point_the_cursor_and_the_items_agree(path: Path, clock: HandClock) -> None:
    rng = random.Random(0)
    ReplayStore.open(path, clock=clock).close()
    done = 0
    for _ in range(12):
        writer = start_writer(path, "a", 0, 10_000)
        assert writer.stdout is not None
        writer.stdout.readline()  # it writes now
        time.sleep(rng.uniform(0.0, 0.04))
        writer.kill()
        writer.communicate()
        with ReplayStore.open(path, clock=clock, capacity=100_000) as store:
            cursor = int(store.cursor("a") or b"0")
            stats = store.stats()
            assert (stats.items, stats.answered) == (cursor * BATCH, cursor * BATCH)
            assert cursor > done
            assert store.check() == ()
        done = cursor


def test_two_processes_may_write_at_once(path: Path, clock: HandClock) -> None:
    # Nothing has made the file yet: both create it and run the migrations.
    writers = [start_writer(path, source, first, 20) for source, first in (("a", 0), ("b", 100_000))]
    for writer in writers:
        writer.communicate(timeout=50)
    assert [writer.returncode for writer in writers] == [0, 0]
    with ReplayStore.open(path, clock=clock, capacity=100_000) as store:
        assert store.stats().by_source == {"a": 20 * BATCH, "b": 20 * BATCH}
        assert (store.cursor("a"), store.cursor("b")) == (b"20", b"20")
        assert store.check() == ()


def test_months_are_those_of_the_items_own_time(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], [make_item(1, time_s=NOVEMBER_S), make_item(2, time_s=0.0)])
    assert store.stats().by_month == {"1970-01": 1, "2026-10": 1}


def test_what_a_superseded_account_taught_goes_unless_a_cycle_has_used_it(store: ReplayStore) -> None:
    answers = [make_answer(number) for number in range(2)]
    first, second = (one.exchange_id for one in answers)
    items = [
        make_item(0, exchange_ids=[first]),
        make_item(1, exchange_ids=[first]),
        make_item(2, exchange_ids=[second, first]),
    ]
    store.ingest("log", b"1", answers, items)
    store.mark_trained([items[1].id], "cycle")
    assert [item.id for item in store.made_by(first)] == [items[0].id]
    store.ingest("log", b"2", [], [make_item(3)], superseded=[replace(answers[0], version="me:1")])
    assert {item.id for item in store.items()} == {items[1].id, items[2].id, make_item(3).id}
    versions = {one.exchange_id: one.version for one in store.answers(answers[0].prefix)}
    assert versions == {first: "me:1", second: ""}
    assert store.check() == ()
