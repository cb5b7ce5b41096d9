from __future__ import annotations

from dataclasses import replace

from tests.experience.conftest import Memory, exchange, talk

from laimark_sidecar.experience.history import KEPT_WITHIN_S, Step, steps
from laimark_sidecar.experience.tree import prefix
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.replay.answered import Answered

PROMPT = "u: name a city"


def answered(answer: str, time_s: float = 900.0) -> Answered:
    return Answered(
        prefix=prefix(talk(PROMPT)),
        exchange_id=f"{answer}@{time_s}",
        answer=answer,
        version="",
        time_s=time_s,
    )


def step(answer: str, *known: Answered, turn: str = "and now?") -> Step:
    (found,) = steps(exchange(PROMPT, f"a: {answer}", f"u: {turn}"), Memory(known))
    return found


def test_only_answers_with_a_reply_are_steps() -> None:
    history = exchange("s: x", "u: a", "a: b", "u: No.", "a: c", "t: d", "a: e", "u: thanks", "a: open")
    found = steps(history, Memory())
    assert [(one.index, one.answer, one.reaction.kind) for one in found] == [
        (2, "b", "correction_bare"),
        (6, "e", "praise"),
    ]


def test_an_answer_is_found_by_prompt_and_text() -> None:
    assert step("Bern", answered("Bern\n")).recorded == answered("Bern\n")
    assert step("Bern", answered("Basel")).recorded is None
    assert step("Bern").recorded is None


def test_what_was_answered_later_is_not_known_yet() -> None:
    assert step("Bern", answered("Bern", time_s=5000.0)).known == ()


def test_another_answer_at_that_time_was_passed_over() -> None:
    chosen = answered("Bern")
    assert step("Bern", chosen, answered("Basel")).rejected == answered("Basel")
    assert step("Bern", chosen, answered("Bern", 901.0)).rejected is None
    assert step("Bern", chosen, answered("Basel", 900.0 - KEPT_WITHIN_S - 1)).rejected is None
    assert step("Bern", answered("Basel")).rejected is None


def test_an_answer_that_nearly_equals_a_remembered_one_was_edited() -> None:
    assert step("It is Bern, I think.", answered("It is Basel, I think.")).original is not None


def test_an_answer_unlike_any_remembered_one_came_from_elsewhere() -> None:
    assert step("Timbuktu!", answered("It is Basel, I think.")).original is None


def test_an_answer_that_breaks_off_was_not_edited() -> None:
    assert step("It is Basel, I", answered("It is Basel, I think.")).original is None


def test_beside_an_unfit_answer_nothing_counts_as_edited() -> None:
    assert step("It is Bern, I think.", answered("It is Basel, I think."), answered("")).original is None


def test_an_answer_that_the_client_rewrote_is_found_and_was_not_edited() -> None:
    known = answered('**Bern**, the "city"\nof bears.')
    found = step("Bern, the \u201ccity\u201d\r\n\r\nof bears. [1]", known)
    assert (found.recorded, found.original, found.rejected) == (known, None, None)


def test_an_answer_with_words_around_it_or_fewer_words_was_not_edited() -> None:
    known = answered("It is Basel, I think.")
    for kept in ("It is Basel, I think.\n\n_Sent by bot_", "Hello! It is Basel, I think.", "It is Basel."):
        assert step(kept, known).original is None


def test_a_turn_of_several_texts_or_with_a_file_says_nothing() -> None:
    before = talk(PROMPT, "a: Bern")
    for turn in (
        Message(role="user", content="No, the right answer is Basel.", parts=2),
        Message(role="user", content="No, the right answer is Basel.", attachments=("0" * 64,)),
    ):
        assert steps(replace(exchange(), messages=(*before, turn)), Memory()) == ()
