from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.experience.conftest import Memory, exchange, feedback, learn, talk

from laimark_sidecar.experience.batch import Overlay, experience_of
from laimark_sidecar.experience.tree import prefix
from laimark_sidecar.replay.answered import Answered

ASKED = exchange("u: q", answer="42")
TAKEN = exchange("u: q", "a: 42", "u: That is right.", time_s=1001.0)


def test_a_turn_finds_the_answer_in_its_own_batch() -> None:
    assert [item.target for item in learn(ASKED, TAKEN).items] == ["42"]


def test_a_turn_finds_the_answer_of_an_earlier_batch() -> None:
    stored = learn(ASKED).answered
    found = experience_of([TAKEN], Memory(stored), heldout_share=0.0)
    assert [item.target for item in found.items] == ["42"]


def test_feedback_finds_the_exchange_of_its_own_batch() -> None:
    assert [item.target for item in learn(ASKED, feedback(ASKED, "accept")).items] == ["42"]


def test_reading_lines_twice_teaches_the_same() -> None:
    once = learn(ASKED, TAKEN)
    twice = learn(ASKED, TAKEN, ASKED, TAKEN)
    assert twice.items == once.items
    assert twice.answered == once.answered


def test_the_stronger_signal_of_a_batch_wins() -> None:
    corrected = exchange("u: q", "a: 41", "u: No, it should be: 42", time_s=1002.0)
    (item,) = learn(ASKED, TAKEN, corrected).items
    assert item.signal == "correction"


def test_an_overlay_shows_no_answer_twice() -> None:
    answered = Answered(prefix=prefix(talk("u: q")), exchange_id="e", answer="42", version="", time_s=1.0)
    overlay = Overlay(Memory([answered]))
    overlay.add(ASKED, answered)
    assert overlay.answers(answered.prefix) == (answered,)
    assert overlay.exchange(ASKED.id) == ASKED
    assert overlay.exchange("unknown") is None


PIECES = [
    "No",
    "it should be:",
    "`x`",
    "```",
    "```py",
    "\n",
    " ",
    "Yes",
    "that works",
    ".",
    "?",
    "42",
    "<think>",
    "</think>",
    "é",
]
texts = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
turns = st.lists(st.tuples(st.sampled_from("suat"), texts), max_size=7)


@settings(max_examples=150, deadline=None)
@given(log=st.lists(st.tuples(turns, texts), max_size=4))
def test_whatever_was_said_items_are_whole(log: list[tuple[list[tuple[str, str]], str]]) -> None:
    """No conversation breaks the reading, and every item's spans cover its target."""
    records = [
        exchange(*(f"{role}: {text}" for role, text in turns), answer=answer, time_s=1000.0 + number)
        for number, (turns, answer) in enumerate(log)
    ]
    for item in learn(*records).items:
        assert "".join(item.target[span.start : span.end] for span in item.spans) == item.target
        assert item.target.strip()
        assert item.messages[-1].role != "assistant"
        assert 0 < item.weight <= 1
