from __future__ import annotations

import sys
from dataclasses import replace
from types import FrameType

import pytest
from tests.experience.conftest import Memory, exchange, feedback, learn, talk

from laimark_sidecar.experience.examples import MAX_LESSONS, lessons, lessons_from_feedback
from laimark_sidecar.experience.tree import prefix
from laimark_sidecar.journal.exchange import Exchange, Finish, Message, ToolCall
from laimark_sidecar.replay.item import Item

ASK = "u: What is the capital?"
FIX = "u: No, the right answer is Bern."


def only(*records: Exchange, **options: float) -> Item:
    (item,) = learn(*records, **options).items
    return item


def test_a_typed_correction_teaches_the_original_prompt() -> None:
    asked = exchange(ASK, answer="Basel")
    corrected = exchange(ASK, "a: Basel", FIX, time_s=1001.0)
    item = only(asked, corrected)
    assert item.messages == talk(ASK)
    assert item.target == "Bern"
    assert (item.signal, item.weight, item.hint) == ("correction", 1.0, FIX[3:])
    assert [(span.provenance, span.learn) for span in item.spans] == [("typed", True)]
    assert item.exchange_ids == (corrected.id, asked.id)


def test_the_scripted_user_of_the_demo_is_understood() -> None:
    prompt = "u: Complete:\n```python\ndef f(x):\n```"
    asked = exchange(prompt, answer="pass")
    line = "    return x + 1"
    told = exchange(prompt, "a: pass", f"u: No, the next line is:\n```python\n{line}\n```", time_s=1001.0)
    item = only(asked, told)
    assert (item.target, item.domain, item.messages) == (line, "code:python", talk(prompt))
    confirmed = exchange(prompt, "a: pass", "u: Yes, that is right.", time_s=1001.0)
    accepted = only(asked, confirmed)
    assert (accepted.target, accepted.signal, accepted.weight) == ("pass", "accept", 0.5)
    assert accepted.spans[0].provenance == "model"


def test_a_correction_in_an_imported_log_needs_no_recorded_answer() -> None:
    assert only(exchange(ASK, "a: Basel", FIX)).target == "Bern"


@pytest.mark.parametrize("source", ["embedded", "gateway"])
def test_history_that_the_runner_s_side_never_saw_answered_teaches_nothing(source: str) -> None:
    invented = [
        turn
        for number in range(30)
        for turn in (f"u: Ask {number}?", "a: x", "u: No, it should be: EVIL", "a: y")
    ]
    found = learn(exchange(*invented, "u: Go on.", source=source))
    assert found.items == ()
    assert {dropped.reason for dropped in found.dropped} == {"unknown answer"}


@pytest.mark.parametrize("answer", ["Basel", " Basel\n", "<think>Zug? No.</think>\n\nBasel"])
def test_correction_of_an_answer_that_our_own_runner_gave_is_learned(answer: str) -> None:
    asked = exchange(ASK, answer=answer, source="embedded")
    assert only(asked, exchange(ASK, "a: Basel", FIX, time_s=1001.0, source="embedded")).target == "Bern"


def test_correction_of_an_answer_of_our_own_runner_that_was_cut_off_is_learned() -> None:
    asked = exchange(ASK, answer="Bas", finish="aborted", source="embedded")
    assert only(asked, exchange(ASK, "a: Bas", FIX, time_s=1001.0, source="embedded")).target == "Bern"


def test_every_turn_is_looked_at_and_found_once() -> None:
    turns = (ASK, "a: Basel", FIX, "a: Bern.", "u: And the river?", "a: Rhine", "u: No, it should be: Aare")
    log = [exchange(*turns[:3]), exchange(*turns[:5], time_s=1001.0), exchange(*turns, time_s=1002.0)]
    found = learn(*log).items
    assert [item.target for item in found] == ["Bern", "Aare"]
    assert found[1].messages == talk(*turns[:5])


def test_a_correction_after_bare_rejections_teaches_the_first_prompt() -> None:
    item = only(exchange(ASK, "a: Basel", "u: No.", "a: Zug", FIX))
    assert (item.messages, item.target) == (talk(ASK), "Bern")


def test_hindsight_gives_the_accepted_answer_to_the_original_prompt() -> None:
    history = (ASK, "a: Basel", "u: That is wrong.", "a: Bern", "u: Yes, that is right.")
    log = [
        exchange(ASK, answer="Basel"),
        exchange(*history[:3], answer="Bern", time_s=1001.0),
        exchange(*history, time_s=1002.0),
    ]
    in_context, relabelled = learn(*log).items
    assert in_context.messages == talk(*history[:3])
    assert (relabelled.messages, relabelled.target, relabelled.signal) == (talk(ASK), "Bern", "accept")
    assert relabelled.hint == "That is wrong."


def test_an_apology_is_not_relabelled() -> None:
    history = (ASK, "a: Basel", "u: Wrong.", "a: Sorry! Bern.", "u: That is right.")
    log = [exchange(*history[:3], answer="Sorry! Bern."), exchange(*history, time_s=1001.0)]
    assert only(*log).messages == talk(*history[:3])


def test_an_answer_edited_in_the_history_is_learned_with_its_spans() -> None:
    asked = exchange(ASK, answer="The capital is Basel, of course.")
    edited = exchange(ASK, "a: The capital is Bern, of course.", "u: And the river?", time_s=1001.0)
    item = only(asked, edited)
    assert (item.signal, item.target) == ("edit", "The capital is Bern, of course.")
    typed = [item.target[span.start : span.end] for span in item.spans if span.provenance == "typed"]
    assert typed == ["Bern"]
    assert all(span.learn for span in item.spans)


def test_the_regeneration_that_the_user_went_on_with_is_kept() -> None:
    first = exchange(ASK, answer="Basel")
    second = exchange(ASK, answer="Bern", time_s=1010.0)
    on = exchange(ASK, "a: Bern", "u: And the river?", time_s=1020.0)
    item = only(first, second, on)
    assert (item.target, item.signal, item.weight) == ("Bern", "kept", 0.8)


def test_an_only_answer_is_not_kept_by_going_on() -> None:
    assert learn(exchange(ASK, answer="Bern"), exchange(ASK, "a: Bern", "u: And?", time_s=1001.0)).items == ()


@pytest.mark.parametrize("turn", ["No.", "Thanks, great!", "Perfect"])
def test_rejection_and_praise_teach_nothing(turn: str) -> None:
    assert (
        learn(exchange(ASK, answer="Bern"), exchange(ASK, "a: Bern", f"u: {turn}", time_s=1001.0)).items == ()
    )


def test_own_output_is_not_learned_for_being_kept() -> None:
    tuned = {"adapter_version": "me:1"}
    first = exchange(ASK, answer="Basel", **tuned)  # type: ignore[arg-type]
    second = exchange(ASK, answer="Bern", time_s=1010.0, **tuned)  # type: ignore[arg-type]
    assert learn(first, second, exchange(ASK, "a: Bern", "u: And?", time_s=1020.0)).items == ()


def test_own_output_is_learned_when_accepted_and_names_its_version() -> None:
    asked = exchange(ASK, answer="Bern", adapter_version="me:1")
    item = only(asked, exchange(ASK, "a: Bern", "u: That is right.", time_s=1001.0))
    assert (item.answered_by, item.signal) == ("me:1", "accept")


@pytest.mark.parametrize("finish", ["length", "aborted", "error"])
def test_an_answer_that_was_cut_off_is_never_a_target(finish: Finish) -> None:
    asked = exchange(ASK, answer="Bern is", finish=finish)
    found = learn(asked, exchange(ASK, "a: Bern is", "u: Yes, that is right.", time_s=1001.0))
    assert found.items == ()
    assert [dropped.reason for dropped in found.dropped] == ["unknown answer"]
    assert found.answered[0].answer == ""


def test_an_answer_to_a_cut_prompt_is_never_a_target() -> None:
    asked = exchange(ASK, answer="Bern", truncated=True)
    assert learn(asked, exchange(ASK, "a: Bern", "u: That is right.", time_s=1001.0)).items == ()


def test_an_accepted_answer_that_nobody_recorded_is_not_learned() -> None:
    found = learn(exchange(ASK, "a: Bern", "u: That is right."))
    assert found.items == ()
    assert [dropped.reason for dropped in found.dropped] == ["unknown answer"]


def test_thinking_is_never_in_a_target() -> None:
    asked = exchange(ASK, answer="<think>Basel? No.</think>\n\nBern")
    item = only(asked, exchange(ASK, "a: Bern", "u: That is right.", time_s=1001.0))
    assert item.target == "Bern"


def test_a_pasted_correction_is_dropped() -> None:
    page = "\n".join(f"line {number}" for number in range(60))
    found = learn(exchange(ASK, "a: Basel", f"u: No, it should be:\n```\n{page}\n```"))
    assert found.items == ()
    assert [dropped.reason for dropped in found.dropped] == ["pasted"]


def test_a_client_s_background_request_leaves_no_trace() -> None:
    found = learn(exchange("u: ### Task:\nGenerate a concise, 3-5 word title", answer="Bees"))
    assert (found.items, found.answered) == ((), ())
    assert [dropped.reason for dropped in found.dropped] == ["background"]


def test_held_out_conversations_are_marked() -> None:
    assert only(exchange(ASK, "a: Basel", FIX), heldout_share=1.0).split == "heldout"


def test_the_answer_is_remembered_under_its_prompt() -> None:
    asked = exchange(ASK, answer="Bern")
    remembered = lessons(asked, Memory(), heldout_share=0.0).answered
    assert remembered is not None
    assert (remembered.prefix, remembered.answer, remembered.exchange_id) == (
        prefix(talk(ASK)),
        "Bern",
        asked.id,
    )


def test_an_exchange_without_messages_teaches_nothing() -> None:
    assert learn(exchange()).items == ()


def test_explicit_accept_teaches_the_answer() -> None:
    asked = exchange(ASK, answer="Bern")
    (item,) = lessons_from_feedback(
        feedback(asked, "accept"), Memory(exchanges=[asked]), heldout_share=0.0
    ).items
    assert (item.messages, item.target, item.signal) == (talk(ASK), "Bern", "accept")


def test_explicit_edit_teaches_the_edited_text() -> None:
    asked = exchange(ASK, answer="It is Basel.", finish="length")
    (item,) = lessons_from_feedback(
        feedback(asked, "edit", "It is Bern."), Memory(exchanges=[asked]), heldout_share=0.0
    ).items
    assert (item.target, item.signal) == ("It is Bern.", "edit")
    assert {span.provenance for span in item.spans} == {"typed", "model"}


@pytest.mark.parametrize(
    ("kind", "asked", "reason"),
    [
        ("reject", exchange(ASK, answer="Bern"), "rejected"),
        ("accept", exchange(ASK, answer="Bern", finish="length"), "incomplete"),
        ("edit", exchange(ASK, answer="Bern"), "empty"),
        ("accept", exchange("u: ### Task:\nGenerate 1-3 broad tags", answer="x"), "background"),
    ],
)
def test_other_feedback_teaches_nothing(kind: str, asked: Exchange, reason: str) -> None:
    told = feedback(asked, kind)  # type: ignore[arg-type]
    found = lessons_from_feedback(told, Memory(exchanges=[asked]), heldout_share=0.0)
    assert found.items == ()
    assert [dropped.reason for dropped in found.dropped] == [reason]


def test_feedback_on_an_unknown_exchange_is_dropped() -> None:
    found = lessons_from_feedback(feedback(exchange(ASK), "accept"), Memory(), heldout_share=0.0)
    assert [dropped.reason for dropped in found.dropped] == ["unknown exchange"]


def test_an_edited_answer_that_is_accepted_counts_as_edited() -> None:
    asked = exchange(ASK, answer="The capital is Basel, of course.")
    accepted = exchange(ASK, "a: The capital is Bern, of course.", "u: That is right.", time_s=1001.0)
    item = only(asked, accepted)
    assert (item.signal, item.target) == ("edit", "The capital is Bern, of course.")


def test_feedback_on_a_bare_completion_teaches_nothing() -> None:
    asked = replace(exchange("u: def add(", answer="a, b)"), options={"endpoint": "completions"})
    assert learn(asked).answered == ()
    told = lessons_from_feedback(feedback(asked, "accept"), Memory(exchanges=[asked]), heldout_share=0.0)
    assert (told.items, [dropped.reason for dropped in told.dropped]) == ((), ["background"])


def corrected(turns: int, *, wrong: str = "a: wrong") -> Exchange:
    """Return one request whose history holds this many corrections."""
    history = [turn for n in range(turns) for turn in (wrong, f"u: No, it should be: `right {n}`")]
    return exchange("u: What is it?", *history)


def calls(record: Exchange) -> int:
    """Count the function calls, of Python and of C, that looking at one request takes: the same on every machine."""
    count = 0

    def on_event(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(on_event)
    try:
        lessons(record, Memory(), heldout_share=0.0)
    finally:
        sys.setprofile(before)
    return count


def test_work_of_one_request_grows_no_faster_than_its_history() -> None:
    short, long = corrected(1000), corrected(5000)
    assert calls(long) < 5.5 * calls(short)


def test_one_request_gives_its_newest_lessons_and_says_that_there_were_more() -> None:
    learned = lessons(corrected(5000), Memory(), heldout_share=0.0)
    assert [item.target for item in learned.items] == [f"right {n}" for n in range(5000 - MAX_LESSONS, 5000)]
    assert [dropped.reason for dropped in learned.dropped] == ["far back"]
    whole = lessons(corrected(MAX_LESSONS), Memory(), heldout_share=0.0)
    assert (len(whole.items), whole.dropped) == (MAX_LESSONS, ())


def test_what_is_refused_counts_like_a_lesson() -> None:
    """Quoting a tool 5000 times must not have the whole history searched 5000 times."""
    quoted = [turn for _ in range(500) for turn in ("a: no", "u: No, it should be: `quoted`")]
    learned = lessons(exchange("u: q", "t: quoted", *quoted), Memory(), heldout_share=0.0)
    reasons = [dropped.reason for dropped in learned.dropped]
    assert reasons == ["pasted"] * MAX_LESSONS + ["far back"]


def test_a_prompt_with_an_image_or_a_tool_call_is_no_lesson_and_the_reason_says_which() -> None:
    seen = exchange(ASK, "a: Basel", FIX)
    shown = Message(role="user", content=ASK[3:], attachments=("0" * 64,))
    called = Message(role="assistant", content="", tool_calls=(ToolCall(name="ls", arguments="{}"),))
    image = replace(seen, messages=(shown, *seen.messages[1:]))
    tools = replace(
        seen, messages=(*seen.messages[:1], called, Message(role="tool", content="x"), *seen.messages[1:])
    )
    assert [one.items for one in (learn(image), learn(tools))] == [(), ()]
    assert [one.dropped[0].reason for one in (learn(image), learn(tools))] == ["attachment", "tools"]
    assert len(learn(seen).items) == 1


def test_what_a_client_marked_as_its_own_teaches_nothing() -> None:
    own = replace(exchange(ASK, "a: Basel", FIX), background=True)
    assert learn(own).items == ()
    assert [one.reason for one in learn(own, feedback(own, "accept")).dropped] == ["background", "background"]


def test_half_a_tool_call_is_not_accepted_as_an_answer() -> None:
    calling = replace(exchange(ASK, answer="Let me look."), tool_calls=(ToolCall(name="ls", arguments="{}"),))
    assert [one.reason for one in learn(calling, feedback(calling, "accept")).dropped] == ["incomplete"]


def test_an_edit_of_an_answer_to_a_cut_prompt_teaches_nothing() -> None:
    cut = exchange(ASK, answer="Basel", truncated=True)
    assert [one.reason for one in learn(cut, feedback(cut, "edit", "Bern")).dropped] == ["incomplete"]


def test_own_output_read_again_from_another_log_is_not_learned_for_being_kept() -> None:
    written = exchange(ASK, answer="Bern", adapter_version="me:1", source="gateway", time_s=1002.0)
    read = exchange(ASK, answer="Bern", source="open-webui", time_s=1001.0)
    other = exchange(ASK, answer="Basel", source="gateway", time_s=1000.0)
    went_on = exchange(ASK, "a: Bern", "u: And of France?", time_s=1003.0)
    assert learn(other, read, written, went_on).items == ()
    assert [item.signal for item in learn(other, read, went_on).items] == ["kept"]


def test_of_own_output_that_was_edited_only_the_typed_words_are_learned() -> None:
    asked = exchange(ASK, answer='The "capital" is Basel, of course.', adapter_version="me:1")
    kept = "a: The \u201ccapital\u201d is Bern, of course."
    item = only(asked, exchange(ASK, kept, "u: And the river?", time_s=1001.0))
    assert (item.signal, item.answered_by) == ("edit", "me:1")
    assert [item.target[one.start : one.end] for one in item.spans if one.learn] == ["Bern"]


def test_feedback_that_types_no_word_into_own_output_teaches_nothing() -> None:
    asked = exchange(ASK, answer="It is **Bern**, of course.", adapter_version="me:1")
    assert [one.reason for one in learn(asked, feedback(asked, "edit", "It is Bern.")).dropped] == ["empty"]


def test_own_output_that_its_client_rewrote_is_not_learned_for_being_kept() -> None:
    first = exchange(ASK, answer="It is **Basel**.", adapter_version="me")
    second = exchange(ASK, answer="It is **Bern**.", adapter_version="me", time_s=1010.0)
    assert learn(first, second, exchange(ASK, "a: It is Bern.", "u: And?", time_s=1020.0)).items == ()


def test_what_was_corrected_is_kept_as_rejected() -> None:
    asked = exchange(ASK, answer="<think>Zug?</think>Basel")
    assert only(asked, exchange(ASK, "a: Basel", FIX, time_s=1001.0)).rejected == "Basel"


def test_what_was_edited_is_kept_as_rejected_in_the_history_and_in_feedback() -> None:
    asked = exchange(ASK, answer="It is Basel.")
    edited = exchange(ASK, "a: It is Bern.", "u: And the river?", time_s=1001.0)
    told = lessons_from_feedback(
        feedback(asked, "edit", "It is Bern."), Memory(exchanges=[asked]), heldout_share=0.0
    )
    assert [item.rejected for item in (only(asked, edited), *told.items)] == ["It is Basel.", "It is Basel."]


def test_the_first_of_several_rejected_answers_goes_with_the_first_prompt_and_its_exchange_is_named() -> None:
    history = (ASK, "a: Basel", "u: That is wrong.", "a: Bern", "u: Yes, that is right.")
    first = exchange(ASK, answer="Basel")
    second = exchange(*history[:3], answer="Bern", time_s=1001.0)
    last = exchange(*history, time_s=1002.0)
    in_context, relabelled = learn(first, second, last).items
    assert (in_context.rejected, relabelled.rejected) == ("", "Basel")
    # Whoever forgets the first exchange forgets what was rejected of it.
    assert relabelled.exchange_ids == (last.id, second.id, first.id)


def test_nothing_is_rejected_that_nobody_recorded_or_that_was_only_asked_for_again() -> None:
    assert only(exchange(ASK, "a: Basel", FIX)).rejected == ""
    first, second = exchange(ASK, answer="Basel"), exchange(ASK, answer="Bern", time_s=1010.0)
    assert only(first, second, exchange(ASK, "a: Bern", "u: And?", time_s=1020.0)).rejected == ""


def test_an_answer_that_is_the_correction_itself_is_not_its_opposite() -> None:
    asked = exchange(ASK, answer="**Bern**")
    assert only(asked, exchange(ASK, "a: **Bern**", FIX, time_s=1001.0)).rejected == ""
