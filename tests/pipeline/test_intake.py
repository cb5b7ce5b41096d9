from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.homes import never, opened
from tests.support.homes import take_in as learn

from laimark_sidecar.journal.exchange import Exchange, Feedback, Message
from laimark_sidecar.journal.find import find_exchange
from laimark_sidecar.journal.reader import Fault
from laimark_sidecar.journal.reader import read as read_journal
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.intake import Taken, take_in
from laimark_sidecar.pipeline.recording import wanted
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.sources.added import Added
from laimark_sidecar.sources.source import LogSource, SourceBatch

ADDED = Added(name="chats", kind="chats", path="/nowhere", since_s=0.0)


def said(number: int, *, time_s: float = 0.0, text: str = "") -> Exchange:
    return Exchange(
        id=f"{number:032x}",
        time_s=time_s or 1000.0 + number,
        source="chats",
        client="chats",
        model="m",
        base_sha256="",
        adapter_version="",
        messages=(Message(role="user", content=f"question {number}"),),
        answer=text or f"answer {number}",
        finish="stop",
    )


class Listed:
    """A log of records in memory, read by number; the cursor is the next one."""

    name = "chats"

    def __init__(self, *records: Exchange | Feedback, faults: tuple[Fault, ...] = ()) -> None:
        self.records = records
        self.faults = faults

    def read(self, cursor: bytes | None, *, max_lines: int = 1000) -> SourceBatch:
        begin = json.loads(cursor or b"0")
        end = min(begin + 2, len(self.records))
        return SourceBatch(
            records=self.records[begin:end],
            faults=self.faults if not begin else (),
            cursor=json.dumps(end).encode(),
            more=end < len(self.records),
        )

    def watch(self) -> tuple[Path, ...]:
        return ()


def copied(workshop: Workshop, source: LogSource, added: Added = ADDED) -> Taken:
    with workshop.store() as store:
        return take_in(workshop, store, added, source, wanted=wanted(workshop), should_stop=never)


def journal(home: Home) -> list[str]:
    batch = read_journal(home.journal, None, max_lines=100_000)
    return [one.id for one in batch.records if one.source == "chats"]


@pytest.fixture
def workshop(ready_home: Home) -> Workshop:
    return opened(ready_home)


def test_every_record_is_copied_into_the_journal_once(workshop: Workshop) -> None:
    source = Listed(*(said(number) for number in range(5)))
    assert copied(workshop, source) == Taken(records=5)
    assert copied(workshop, source) == Taken()
    assert journal(workshop.home) == [f"{number:032x}" for number in range(5)]


def test_what_was_learned_from_already_is_not_copied_again(workshop: Workshop) -> None:
    source = Listed(*(said(number) for number in range(5)))
    copied(workshop, source)
    learn(workshop)
    with workshop.store() as store:
        store.move_cursor(ADDED.cursor, None)
    assert copied(workshop, source) == Taken(skipped=5)


def test_what_was_said_before_the_log_was_added_is_left_out(workshop: Workshop) -> None:
    source = Listed(*(said(number) for number in range(5)))
    assert copied(workshop, source, replace(ADDED, since_s=1003.0)) == Taken(records=2, skipped=3)


def test_the_cursor_stays_where_the_journal_could_not_be_written(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Listed(*(said(number) for number in range(5)))

    def full(writer: JournalWriter) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(JournalWriter, "flush", full)
        with pytest.raises(OSError, match="No space left"):
            copied(workshop, source)
    with workshop.store() as store:
        assert store.cursor(ADDED.cursor) is None
    copied(workshop, source)
    assert set(journal(workshop.home)) == {f"{number:032x}" for number in range(5)}


def test_a_cursor_that_another_reader_moved_meanwhile_is_gone_on_from(workshop: Workshop) -> None:
    source = Listed(*(said(number) for number in range(7)))

    class Overtaken(Listed):
        def read(self, cursor: bytes | None, *, max_lines: int = 1000) -> SourceBatch:
            batch = super().read(cursor, max_lines=max_lines)
            if cursor is None:
                with workshop.store() as store:
                    store.move_cursor(ADDED.cursor, b"4")
            return batch

    assert copied(workshop, Overtaken(*source.records)) == Taken(records=5)
    assert journal(workshop.home) == [f"{number:032x}" for number in (0, 1, 4, 5, 6)]


def about(exchange: Exchange, text: str = "Better") -> Feedback:
    return Feedback(
        id=f"f{exchange.id[1:]}",
        time_s=exchange.time_s,
        source="chats",
        exchange_id=exchange.id,
        kind="edit",
        text=text,
    )


def test_records_are_known_by_the_name_of_their_log(workshop: Workshop) -> None:
    copied(workshop, Listed(said(0), about(said(0))), replace(ADDED, name="work"))
    batch = read_journal(workshop.home.journal, None, max_lines=100_000)
    assert [one.source for one in batch.records if one.id in (said(0).id, about(said(0)).id)] == ["work"] * 2


def test_of_a_log_that_several_share_only_the_user_s_is_taken_in(workshop: Workshop) -> None:
    mine, other = replace(said(0), client="chats/me"), replace(said(1), client="chats/mallory")
    source = Listed(mine, about(mine), other, about(other), about(said(9)))
    assert copied(workshop, source, replace(ADDED, user="me")) == Taken(records=2, skipped=3)
    assert journal(workshop.home) == [mine.id, about(mine).id]


def test_an_edit_of_what_the_user_wants_unrecorded_is_not_recorded_either(workshop: Workshop) -> None:
    source = Listed(said(0), about(said(0)))
    with workshop.store() as store:
        taken = take_in(
            workshop,
            store,
            ADDED,
            source,
            wanted=lambda one: isinstance(one, Feedback),
            should_stop=never,
        )
    assert taken == Taken(skipped=2)


def test_what_follows_a_very_long_history_is_left_out_with_its_feedback_and_told_once(
    workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    ask = Message(role="user", content="?")
    long = [replace(said(number), messages=(ask,) * 201) for number in (1, 2, 3)]
    source = Listed(said(0), about(said(0)), long[0], about(long[0]), long[1], long[2])
    assert copied(workshop, source) == Taken(records=2, skipped=4, too_long=3)
    assert caplog.text.count("chats: 3 answers left out: more than 200 messages or 256 KiB") == 1


def test_what_no_journal_could_hold_is_left_out_and_stands_in_nobodys_way(workshop: Workshop) -> None:
    source = Listed(said(0), said(1, text="\ud800"), said(2))
    assert copied(workshop, source) == Taken(records=2, faults=1)


def test_faults_of_the_log_are_counted_and_told(workshop: Workshop, caplog: pytest.LogCaptureFixture) -> None:
    source = Listed(said(0), faults=(Fault(segment="a.db", offset=7, reason="no time"),))
    assert copied(workshop, source) == Taken(records=1, faults=1)
    assert "chats: a.db:7: no time; left out" in caplog.text


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("{own}:latest", "{own}:latest"),
        ("{own}", "{own}"),
        ("ollama/{own}:prev", "{own}:prev"),
        ("{own}2:1b", ""),
    ],
)
def test_answers_by_this_home_s_own_names_are_its_own_though_nobody_noted_the_version(
    workshop: Workshop, model: str, version: str
) -> None:
    own = workshop.config.promotion.name
    copied(workshop, Listed(replace(said(1), model=model.format(own=own))))
    found = find_exchange(workshop.home.journal, said(1).id)
    assert found is not None
    assert found.adapter_version == version.format(own=own)


def test_own_output_read_elsewhere_is_not_learned_for_being_chosen_and_the_base_s_is(
    workshop: Workshop,
) -> None:
    for name, kept in ((f"{workshop.config.promotion.name}:latest", 0), ("base", 1)):
        ask = Message(role="user", content=f"What is the capital of {name}?")
        talk = (
            ask,
            Message(role="assistant", content="Bern"),
            Message(role="user", content="And of France?"),
        )
        turns = [((ask,), "Basel"), ((ask,), "Bern"), (talk, "Paris")]
        chats = [
            replace(
                said(0, time_s=5000.0 + place, text=answer),
                id=f"{name}-{place}",
                messages=messages,
                model=name,
            )
            for place, (messages, answer) in enumerate(turns)
        ]
        copied(workshop, Listed(*chats), replace(ADDED, name=name.partition(":")[0]))
        assert learn(workshop) == kept
