from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from tests.support.forgetting import append
from tests.support.homes import CONVERSATIONS, correction, never, opened, record, take_in

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import StateError
from laimark_sidecar.experience.tree import prefix
from laimark_sidecar.journal.exchange import Exchange, Feedback, Message, encode
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import ingest as module
from laimark_sidecar.pipeline.ingest import ingest
from laimark_sidecar.pipeline.journal_source import journal_source
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.store import ReplayStore


@pytest.fixture
def workshop(ready_home: Home) -> Workshop:
    """A home whose journal has been read; its copies have other inodes than the template's."""
    made = opened(ready_home)
    assert take_in(made) == 0
    return made


def test_every_line_counts_once_however_often_it_is_read(ready_home: Home) -> None:
    workshop = opened(ready_home)
    source = journal_source(workshop)
    with workshop.store() as store:
        before = store.stats()
        # The files were copied: read from their start once more, which adds nothing.
        assert ingest(workshop, store, source, should_stop=never).records == 2 * CONVERSATIONS
        assert ingest(workshop, store, source, should_stop=never).records == 0
        assert store.stats() == before
    record(ready_home, range(3))  # what is known already, in a new segment
    assert take_in(workshop) == 0
    with workshop.store() as store:
        assert store.stats().items == before.items


def test_batches_add_up_and_a_stop_between_them_loses_nothing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_LINES", 3)
    record(workshop.home, range(200, 210))
    calls = iter([False, False, True])
    with workshop.store() as store:
        first = ingest(workshop, store, journal_source(workshop), should_stop=lambda: next(calls))
        second = ingest(workshop, store, journal_source(workshop), should_stop=never)
    assert first.records == 6
    assert (first.records + second.records, first.added + second.added) == (20, 10)


def test_what_a_log_told_first_becomes_the_lesson_of_the_runner_s_account(workshop: Workshop) -> None:
    asked, _ = correction(400)
    logged = replace(asked, id="a" * 32, source="chats", adapter_version="")
    system = Message(role="system", content="Today is Monday.")
    seen = replace(
        asked,
        source="gateway",
        adapter_version="me:1",
        messages=(system, *asked.messages),
        time_s=asked.time_s + 2,
    )
    thumb = Feedback(
        id="f" * 32,
        time_s=asked.time_s + 3,
        source="chats",
        exchange_id=logged.id,
        kind="edit",
        text="Wombats.",
    )
    found: list[Item] = []
    for records in ((logged, thumb), (seen,)):
        append(workshop.home, *records)
        take_in(workshop)
        with workshop.store() as store:
            (item,) = (item for item in store.items() if item.target == "Wombats.")
        found.append(item)
    assert [item.messages for item in found] == [logged.messages, seen.messages]
    assert (found[1].answered_by, found[1].source) == ("me:1", "chats")


def test_broken_lines_are_counted_and_stepped_over(workshop: Workshop) -> None:
    asked, told = correction(300)
    segment = workshop.home.journal / f"20991231T000000.000-{os.getpid()}.jsonl"
    segment.write_bytes(encode(asked) + b'{"type":"exchange","version":1}\n' + b"\xff\n" + encode(told))
    with workshop.store() as store:
        found = ingest(workshop, store, journal_source(workshop), should_stop=never)
    assert (found.records, found.faults, found.added) == (2, 2, 1)


def test_full_disk_leaves_the_cursor_where_it_was_and_the_next_reading_catches_up(
    ready_home: Home,
) -> None:
    record(ready_home, range(400, 440))
    workshop = opened(ready_home)
    source = journal_source(workshop)
    size = ready_home.replay.stat().st_size
    with ReplayStore.open(ready_home.replay, clock=SystemClock(), max_bytes=size) as store:
        before, stats = store.cursor(source.name), store.stats()
        with pytest.raises(StateError, match="full"):
            ingest(workshop, store, source, should_stop=never)
        assert store.cursor(source.name) == before
        assert store.stats() == stats
    assert take_in(workshop) == 40


def test_thumbs_find_the_exchange_that_was_read_long_ago(ready_home: Home, tmp_path: Path) -> None:
    asked, _ = correction(0)
    edited = Feedback(
        id="f",
        time_s=asked.time_s + 5,
        source="embedded",
        exchange_id=asked.id,
        kind="edit",
        text="return 42",
    )
    (ready_home.journal / f"20991231T000000.000-{os.getpid()}.jsonl").write_bytes(encode(edited))
    workshop = opened(ready_home)
    assert take_in(workshop) == 1
    with workshop.store() as store:
        (item,) = store.items(signal="edit")
    assert (item.target, item.messages) == ("return 42", asked.messages)


def test_a_secret_in_an_answer_is_not_stored_and_later_turns_find_the_answer_all_the_same(
    workshop: Workshop,
) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    asked = (Message(role="user", content="Which header does our deployment send to the package index?"),)
    answer = f"Authorization: token {secret}"
    first = replace(correction(500)[0], id="a" * 32, messages=asked, answer=answer)
    edited = f"Authorization: Bearer {secret} # as the index wants it"
    later = replace(
        first,
        id="b" * 32,
        messages=(
            *asked,
            Message(role="assistant", content=edited),
            Message(role="user", content="Now the second header, please."),
        ),
        answer="Accept: text/html",
        time_s=first.time_s + 60,
    )
    for exchange in (first, later):
        append(workshop.home, exchange)
        take_in(workshop)
    buffer = workshop.home.replay
    with workshop.store() as store:
        # The edit was seen for what it is, and left out for what it holds.
        assert [one.signal for one in store.review.findings()] == ["edit"]
        assert [one.withheld for one in store.answers(prefix(asked))] == [True]
        assert not any(secret.encode() in file.read_bytes() for file in buffer.parent.glob("replay.db*"))


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("said", "learned"),
    [
        (["accept", "reject"], []),
        (["accept", "reject", "accept"], ["pass"]),
        (["accept", "edit"], ["return 7"]),
        (["edit", "accept"], ["pass"]),
        (["reject"], []),
    ],
)
def test_of_what_was_said_of_an_answer_the_last_word_counts(
    workshop: Workshop, together: bool, said: list[Literal["accept", "reject", "edit"]], learned: list[str]
) -> None:
    asked, _ = correction(600)
    words = [
        Feedback(
            id=f"{number:032x}",
            time_s=asked.time_s + number,
            source="gateway",
            exchange_id=asked.id,
            kind=kind,
            text="return 7" if kind == "edit" else "",
        )
        for number, kind in enumerate(said, start=1)
    ]
    records: list[Exchange | Feedback] = [asked, *words]
    batches = [records] if together else [[record] for record in records]
    for batch in batches:
        append(workshop.home, *batch)
        take_in(workshop)
    with workshop.store() as store:
        assert [item.target for item in store.items() if asked.id in item.exchange_ids] == learned


def test_what_a_cycle_has_learned_is_not_taken_back(workshop: Workshop) -> None:
    asked, _ = correction(610)
    accepted = Feedback(
        id="1" * 32, time_s=asked.time_s + 1, source="gateway", exchange_id=asked.id, kind="accept"
    )
    rejected = replace(accepted, id="2" * 32, kind="reject", time_s=asked.time_s + 2)
    append(workshop.home, asked, accepted)
    take_in(workshop)
    with workshop.store() as store:
        (item,) = (one for one in store.items() if asked.id in one.exchange_ids)
        store.mark_trained([item.id], "cycle-1")
    append(workshop.home, rejected)
    take_in(workshop)
    with workshop.store() as store:
        assert store.get(item.id) is not None


def test_answers_that_an_earlier_release_stored_are_looked_through_once(workshop: Workshop) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    buffer = workshop.home.replay
    with closing(sqlite3.connect(buffer, isolation_level=None)) as old:
        (known,) = old.execute("SELECT count(*) FROM answered").fetchone()
        old.execute("UPDATE answered SET withheld = NULL")
        old.execute(
            """INSERT INTO answered (exchange_id, prefix, answer, version, time_s)
            VALUES ('old', 'p', ?, '', 1.0)""",
            (f"token {secret}",),
        )
    with workshop.store() as store:
        ingest(workshop, store, journal_source(workshop), should_stop=never)
        assert [(one.answer, one.withheld) for one in store.answers("p")] == [("", True)]
        assert store.withhold_answers(lambda _: True) == 0
    with closing(sqlite3.connect(buffer)) as now:
        assert now.execute("SELECT count(*) FROM answered WHERE withheld = 0").fetchone() == (known,)
    assert not any(secret.encode() in file.read_bytes() for file in buffer.parent.glob("replay.db*"))
