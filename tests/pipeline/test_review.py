"""The review queue, on a real home with a real journal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.homes import correction, opened, reconfigure, take_in

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Exchange, Feedback
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.review import Case, accept, case_named, excerpt, queue, redact, reject
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.replay.store import ReplayStore

SECRET = "ghp_" + "a1B2c3D4e5F6" * 3
LEAK = f"connect(token='{SECRET}', retries=3)"


@pytest.fixture
def workshop(ready_home: Home) -> Workshop:
    """A home in which one correction of today was left out for the token in its target."""
    write(ready_home, *correction(100, target=LEAK))
    made = opened(ready_home)
    assert take_in(made) == 0
    return made


def write(home: Home, *records: Exchange | Feedback) -> None:
    with JournalWriter(home.journal, clock=SystemClock()) as writer:
        for record in records:
            writer.append(record)


def finding(workshop: Workshop, store: ReplayStore) -> Case:
    (case,) = [case for case in queue(workshop, store, limit=100) if case.kind == "finding"]
    return case


def whole_home(home: Home) -> bytes:
    return b"".join(path.read_bytes() for path in home.root.glob("replay.db*"))


def test_what_was_left_out_is_shown_without_what_was_found(workshop: Workshop) -> None:
    with workshop.store() as store:
        case = finding(workshop, store)
        shown = excerpt(workshop, store, case)
    assert "github token" in case.rules
    assert case.places == ("target", "hint")
    assert case.why.startswith("left out: ")
    assert shown.client == "tests"
    assert SECRET not in repr(shown)
    assert "retries=3" in shown.target
    assert "Complete the code" in shown.prompt


def test_the_buffer_holds_neither_the_secret_nor_the_example(workshop: Workshop) -> None:
    assert SECRET.encode() not in whole_home(workshop.home)
    assert b"retries=3" not in whole_home(workshop.home)


def test_an_example_with_a_finding_is_accepted_only_as_a_false_alarm(workshop: Workshop) -> None:
    with workshop.store() as store:
        case = finding(workshop, store)
        with pytest.raises(DataError, match=r"holds: .*github token"):
            accept(store, case)
        accept(store, case, false_alarm=True)
        held = store.get(case.id)
        assert held is not None
        assert held.target == LEAK
        assert [one for one in queue(workshop, store, limit=100) if one.kind == "finding"] == []


def test_a_false_alarm_does_not_come_again(workshop: Workshop) -> None:
    with workshop.store() as store:
        accept(store, finding(workshop, store), false_alarm=True)
    again = correction(100, target=LEAK, time_s=1_793_500_000.0)  # the same lesson on another day
    write(workshop.home, *again)
    take_in(workshop)
    with workshop.store() as store:
        assert store.review.findings() == ()


def test_what_is_rejected_is_forgotten_for_good(workshop: Workshop) -> None:
    with workshop.store() as store:
        case = finding(workshop, store)
        reject(store, case)
        assert store.review.findings() == ()
    write(workshop.home, *correction(100, target=LEAK, time_s=1_793_500_000.0))
    take_in(workshop)
    with workshop.store() as store:
        assert store.review.findings() == ()
        assert store.get(case.id) is None


def test_a_redacted_example_stands_in_its_place_without_the_secret(workshop: Workshop) -> None:
    with workshop.store() as store:
        case = finding(workshop, store)
        new = redact(workshop, store, case)
        assert store.get(new.id) == new
        assert store.oblivion.forgotten([case.id]) == {case.id}
    assert SECRET not in repr(new)
    assert "retries=3" in new.target
    assert [span.provenance for span in new.spans] == ["edited"]
    assert SECRET.encode() not in whole_home(workshop.home)


def test_the_user_may_write_the_target_and_not_put_the_secret_back(workshop: Workshop) -> None:
    with workshop.store() as store:
        case = finding(workshop, store)
        with pytest.raises(DataError, match="still holds"):
            redact(workshop, store, case, target=f"connect({SECRET})")
        with pytest.raises(DataError, match="nothing is left"):
            redact(workshop, store, case, target=" ")
        assert redact(workshop, store, case, target="connect(read_token())").target == "connect(read_token())"


def test_what_the_log_no_longer_holds_can_only_be_rejected(workshop: Workshop) -> None:
    for segment in workshop.home.journal.glob("*.jsonl"):
        segment.unlink()
    with workshop.store() as store:
        case = finding(workshop, store)
        assert case.item is None
        assert case.why.endswith("the log no longer holds it")
        assert excerpt(workshop, store, case).prompt == ""
        for decide in (lambda: accept(store, case, false_alarm=True), lambda: redact(workshop, store, case)):
            with pytest.raises(DataError, match="no longer holds"):
                decide()
        reject(store, case)
        assert store.review.findings() == ()


def test_an_edit_told_by_a_client_is_found_again_by_its_own_line(ready_home: Home) -> None:
    asked, _ = correction(200)
    told = Feedback(
        id="f" * 32, time_s=asked.time_s + 5, source="embedded", exchange_id=asked.id, kind="edit", text=LEAK
    )
    write(ready_home, asked, told)
    workshop = opened(ready_home)
    take_in(workshop)
    with workshop.store() as store:
        case = finding(workshop, store)
        assert case.item is not None
        assert (case.signal, case.item.target) == ("edit", LEAK)


def test_quarantine_is_left_by_acceptance(ready_home: Home) -> None:
    reconfigure(ready_home, "replay", quarantine_hours=24.0)
    workshop = opened(ready_home)
    with workshop.store() as store:
        before = queue(workshop, store, limit=100)
        assert {case.kind for case in before} == {"quarantine"}
        assert before[0].time_s == max(case.time_s for case in before)
        assert excerpt(workshop, store, before[0]).target.startswith("[typed] ")
        accept(store, before[0])
        assert before[0].id not in {case.id for case in queue(workshop, store, limit=100)}
        assert case_named(workshop, store, before[0].id[:12]).kind == "held"
        assert case_named(workshop, store, before[1].id[:12]).kind == "quarantine"


@pytest.mark.parametrize(("review", "waits"), [("none", False), ("untrusted", False), ("all", True)])
def test_what_must_be_accepted_first_is_in_the_queue(ready_home: Home, review: str, waits: bool) -> None:
    """The home's own runner is a trusted source."""
    reconfigure(ready_home, "replay", review=review)
    workshop = opened(ready_home)
    with workshop.store() as store:
        cases = queue(workshop, store, limit=100)
        assert {case.kind for case in cases} == ({"unreviewed"} if waits else set())
        assert len(queue(workshop, store, limit=3)) == (3 if waits else 0)


def test_nothing_is_taken_out_where_nothing_is_found(ready_home: Home) -> None:
    workshop = opened(ready_home)
    with workshop.store() as store:
        item = next(store.items())
        case = case_named(workshop, store, item.id)
        with pytest.raises(DataError, match="nothing is found"):
            redact(workshop, store, case)
        assert store.get(item.id) == item


def test_a_case_is_named_by_the_beginning_of_its_id(workshop: Workshop) -> None:
    with workshop.store() as store:
        case = finding(workshop, store)
        assert replace(case_named(workshop, store, case.id[:12]), item=None) == replace(case, item=None)
        with pytest.raises(DataError, match="names no items"):
            case_named(workshop, store, "ffffffffffff")


def test_a_fault_of_the_log_is_no_item(workshop: Workshop, tmp_path: Path) -> None:
    for segment in workshop.home.journal.glob("*.jsonl"):
        segment.write_bytes(segment.read_bytes().replace(b'"messages"', b'"massages"'))
    with workshop.store() as store:
        assert finding(workshop, store).item is None
