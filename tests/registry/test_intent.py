from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from laimark_sidecar.errors import StateError
from laimark_sidecar.registry.documents import DamagedError
from laimark_sidecar.registry.intent import Intent, IntentJournal

PROMOTE = Intent(kind="promote", target="me:b", previous_latest="me:a", previous_prev="", created_s=5.0)


@pytest.fixture
def journal(tmp_path: Path) -> IntentJournal:
    return IntentJournal(tmp_path / "intent.json")


def test_an_intent_outlives_whoever_began_it(journal: IntentJournal) -> None:
    assert journal.current() is None
    journal.begin(PROMOTE)
    assert IntentJournal(journal.path).current() == PROMOTE


def test_what_is_done_is_forgotten_once_and_for_all(journal: IntentJournal) -> None:
    journal.begin(PROMOTE)
    journal.done()
    journal.done()
    assert journal.current() is None


def test_beginning_the_same_again_is_harmless(journal: IntentJournal) -> None:
    journal.begin(PROMOTE)
    journal.begin(PROMOTE)
    assert journal.current() == PROMOTE


def test_a_second_intent_has_to_wait_for_the_first(journal: IntentJournal) -> None:
    journal.begin(PROMOTE)
    with pytest.raises(StateError, match="interrupted promote of me:b"):
        journal.begin(replace(PROMOTE, kind="rollback", target=""))
    assert journal.current() == PROMOTE


def test_a_damaged_intent_is_not_taken_for_none(journal: IntentJournal) -> None:
    journal.begin(PROMOTE)
    journal.path.write_bytes(journal.path.read_bytes()[:20])
    with pytest.raises(DamagedError, match="damaged"):
        journal.current()
    assert journal.pending()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"format": 1, "kind": "dance"}'])
def test_a_damaged_intent_is_set_aside_with_all_its_bytes(journal: IntentJournal, content: bytes) -> None:
    journal.path.write_bytes(content)
    place = journal.set_aside(now_s=1_795_000_000.0)
    assert place.name == "intent.json.damaged-2026-11-18"
    assert place.read_bytes() == content
    assert not journal.pending()
    journal.begin(PROMOTE)
    assert journal.current() == PROMOTE


def test_an_intent_that_can_be_read_is_never_set_aside(journal: IntentJournal) -> None:
    journal.begin(PROMOTE)
    with pytest.raises(StateError, match="is not damaged"):
        journal.set_aside(now_s=0.0)
    assert journal.current() == PROMOTE


def test_an_intent_of_a_newer_program_is_not_damage(journal: IntentJournal) -> None:
    journal.path.write_bytes(b'{"format": 2, "kind": "dance"}')
    with pytest.raises(StateError, match="format 2"):
        journal.set_aside(now_s=0.0)
    assert journal.pending()
