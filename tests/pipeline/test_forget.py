from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.forgetting import SECRET, TRACES, append, files_with, say_secret
from tests.support.homes import IDIOM, correction, opened, take_in

from laimark_sidecar.errors import LockedError, StateError
from laimark_sidecar.files import exclusive
from laimark_sidecar.journal.reader import read
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.cycle import open_cycle
from laimark_sidecar.pipeline.doomed import Doomed, Wish, doomed
from laimark_sidecar.pipeline.folder import cycles
from laimark_sidecar.pipeline.forget import carry_on, forget, pending
from laimark_sidecar.pipeline.select import select
from laimark_sidecar.pipeline.workshop import Workshop

WISH = Wish(text=re.compile(re.escape(SECRET)))


def meant(workshop: Workshop, wish: Wish = WISH) -> Doomed:
    with workshop.store() as store:
        return doomed(workshop, store, wish)


@contextmanager
def cycle_that_saw_all(workshop: Workshop) -> Iterator[None]:
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        select(workshop, store, cycle)
    (cycle.root / "scoring").mkdir()
    (cycle.root / "scoring" / "job.json").write_text(SECRET.encode().decode(), encoding="utf-8")
    yield


def test_no_file_of_the_home_holds_the_text_afterwards(ready_home: Home) -> None:
    workshop = opened(ready_home)
    say_secret(workshop)
    with cycle_that_saw_all(workshop):
        assert files_with(ready_home.root, *TRACES) != []
        done = forget(workshop, meant(workshop))
    assert (done.lines, done.items, done.finished) == (1, 1, True)
    assert files_with(ready_home.root, *TRACES) == []
    assert pending(ready_home) is None


def test_every_other_record_is_still_read_once_and_every_other_lesson_held(ready_home: Home) -> None:
    workshop = opened(ready_home)
    before = read(ready_home.journal, None).records
    with workshop.store() as store:
        lessons = {item.id for item in store.items()}
    say_secret(workshop)
    forget(workshop, meant(workshop))
    after = read(ready_home.journal, None).records
    assert after[: len(before)] == before
    assert len(after) == len(before) + 1
    assert take_in(workshop) == 0
    with workshop.store() as store:
        assert {item.id for item in store.items()} == lessons


def test_reading_it_again_brings_nothing_back(ready_home: Home) -> None:
    workshop = opened(ready_home)
    pair = say_secret(workshop)
    forget(workshop, meant(workshop, Wish(ids=(pair[0].id,))))
    append(ready_home, *pair)
    assert take_in(workshop) == 0
    with workshop.store() as store:
        assert store.oblivion.forgotten([one.id for one in pair]) == {one.id for one in pair}


def test_a_cycle_that_saw_it_is_ended_and_another_one_is_not(ready_home: Home) -> None:
    workshop = opened(ready_home)
    with cycle_that_saw_all(workshop):
        say_secret(workshop)
        forget(workshop, meant(workshop))
        (cycle,) = cycles(ready_home.cycles)
        assert cycle.closed() is None
        plan = cycle.plan()
        assert plan is not None
        with workshop.store() as store:
            item = store.get(plan.sample_ids[0])
            assert item is not None
        forget(workshop, meant(workshop, Wish(ids=(item.exchange_ids[0],))))
    closed = cycle.closed()
    assert closed is not None
    assert (closed.ending, closed.reason) == ("abandoned", "what it was learning from was forgotten")
    assert not cycle.examples.exists()


def test_while_the_daemon_is_at_work_the_end_is_left_to_it(ready_home: Home) -> None:
    workshop = opened(ready_home)
    say_secret(workshop)
    with exclusive(ready_home.daemon_lock, "a daemon"):
        assert not forget(workshop, meant(workshop)).finished
        assert pending(ready_home) is not None
        assert carry_on(workshop, mine=True).finished
    assert pending(ready_home) is None


def test_a_locked_buffer_stops_it_and_a_later_call_goes_on(
    ready_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop = opened(ready_home)
    say_secret(workshop)
    found = meant(workshop)
    monkeypatch.setattr("laimark_sidecar.replay.connection.BUSY_TIMEOUT_S", 0.1)
    with closing(sqlite3.connect(ready_home.replay, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LockedError):
            forget(workshop, found)
        other.execute("ROLLBACK")
        assert pending(ready_home) is not None
        assert carry_on(workshop).finished
    assert files_with(ready_home.root, *TRACES) == []


def test_a_reader_that_keeps_the_old_pages_is_named_and_a_later_call_goes_on(
    ready_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop = opened(ready_home)
    say_secret(workshop)
    found = meant(workshop)
    monkeypatch.setattr("laimark_sidecar.replay.connection.BUSY_TIMEOUT_S", 0.1)
    with closing(sqlite3.connect(ready_home.replay, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM items").fetchone()
        with pytest.raises(LockedError, match="another process reads"):
            forget(workshop, found)
        other.execute("ROLLBACK")
        assert carry_on(workshop).finished
    assert files_with(ready_home.root, *TRACES) == []


def test_the_intent_holds_no_text(ready_home: Home) -> None:
    workshop = opened(ready_home)
    say_secret(workshop)
    with exclusive(ready_home.daemon_lock, "a daemon"):
        forget(workshop, meant(workshop))
        assert not any(trace in ready_home.forgetting.read_text() for trace in TRACES)


@pytest.mark.parametrize(
    ("content", "says"), [(b"{", "damaged"), (b'{"records":[],"items":[],"version":9}', "newer")]
)
def test_an_intent_that_cannot_be_read_is_refused(ready_home: Home, content: bytes, says: str) -> None:
    ready_home.forgetting.write_bytes(content)
    with pytest.raises(StateError, match=says):
        carry_on(opened(ready_home))


def test_without_an_intent_there_is_nothing_to_carry_on(ready_home: Home) -> None:
    done = carry_on(opened(ready_home))
    assert (done.lines, done.items, done.finished) == (0, 0, True)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_no_text_whatever_is_left_and_every_other_record_is(ready_home: Home, text: str) -> None:
    workshop = opened(ready_home)
    before = read(ready_home.journal, None).records
    secret = f"\N{SECTION SIGN}quagga\N{SECTION SIGN}{text}"
    append(ready_home, *correction(900, target=f"{IDIOM}  # {secret}"))
    take_in(workshop)
    assert files_with(ready_home.root, "quagga") != []
    forget(workshop, meant(workshop, Wish(text=re.compile(re.escape(secret), re.IGNORECASE))))
    assert files_with(ready_home.root, "quagga", secret) == []
    found = read(ready_home.journal, None)
    assert found.records[: len(before)] == before
    assert len(found.records) == len(before) + 1
    assert found.faults == ()
