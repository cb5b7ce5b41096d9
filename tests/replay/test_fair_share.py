from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from tests.replay.examples import HandClock, make_answer, make_item

from laimark_sidecar.journal.exchange import Feedback
from laimark_sidecar.replay.fair_share import drop_beyond
from laimark_sidecar.replay.item import Split
from laimark_sidecar.replay.store import ReplayStore

CAPACITY = 10
MOST_ANSWERS = 8 * CAPACITY
LONG_AGO_S, FAR_AHEAD_S = 0.0, 4e9
THUMB = Feedback(id="f", time_s=10.0, source="journal", exchange_id="e", kind="edit", text="Bern")


@pytest.fixture
def small(path: Path, clock: HandClock) -> ReplayStore:
    return ReplayStore.open(path, clock=clock, capacity=CAPACITY)


@pytest.mark.parametrize("told_s", [LONG_AGO_S, FAR_AHEAD_S])
def test_answers_with_invented_times_push_only_their_own_source_out(
    small: ReplayStore, told_s: float
) -> None:
    own = [replace(make_answer(number), source="journal") for number in range(20)]
    small.ingest("journal", b"1", own, [])
    for batch in range(10):
        numbers = range(1000 + 50 * batch, 1050 + 50 * batch)
        flood = [replace(make_answer(number, prefix="x", time_s=told_s), source="log") for number in numbers]
        small.ingest("log", b"1", flood, [])
    assert len(small.answers("prefix")) == 20
    left = small.answers("x")
    assert len(left) == MOST_ANSWERS - 20
    assert {one.exchange_id for one in left} >= {f"exchange-{number:06}" for number in range(1450, 1500)}


@pytest.mark.parametrize("told_s", [LONG_AGO_S, FAR_AHEAD_S])
def test_waiting_feedback_is_pushed_out_only_by_its_own_source(small: ReplayStore, told_s: float) -> None:
    own = [replace(THUMB, id=f"own-{number}", exchange_id="own") for number in range(4)]
    small.ingest("journal", b"1", [], [], early=own)
    flood = [
        replace(THUMB, id=f"log-{number}", exchange_id="log", source="log", time_s=told_s + number)
        for number in range(100)
    ]
    small.ingest("log", b"1", [], [], early=flood)
    assert len(small.early_feedback(["own"])) == 4
    assert [one.id for one in small.early_feedback(["log"])] == [f"log-{number}" for number in range(94, 100)]


def test_judges_and_lessons_of_one_source_survive_a_flood_of_another(small: ReplayStore) -> None:
    own = [make_item(number, split="heldout" if number % 4 == 0 else "train") for number in range(4)]
    small.ingest("journal", b"1", [], own)
    for number in range(100, 160):
        split: Split = "heldout" if number % 2 else "train"
        item = make_item(number, source="log", split=split, domain=f"code:x{number}", time_s=number * 4e6)
        small.ingest("log", b"1", [], [item])
    assert {item.id for item in small.items()} >= {item.id for item in own}


def test_nothing_goes_below_the_bound(connection: sqlite3.Connection) -> None:
    connection.executemany(
        "INSERT INTO early_feedback (id, exchange_id, time_s, source, kind, text) VALUES (?, '', 0, 's', '', '')",
        [("a",), ("b",)],
    )
    drop_beyond(connection, "early_feedback", most=2)
    assert connection.execute("SELECT count(*) FROM early_feedback").fetchone() == (2,)
    drop_beyond(connection, "early_feedback", most=1)
    assert connection.execute("SELECT id FROM early_feedback").fetchall() == [("b",)]
