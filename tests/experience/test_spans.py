from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.experience.spans import PASTED_LINES, edited, provenance, whole
from laimark_sidecar.journal.exchange import Message

text = st.text(alphabet="ab \n.", max_size=60)


def test_a_whole_target_is_one_learned_span() -> None:
    (span,) = whole("abc", "typed")
    assert (span.start, span.end, span.provenance, span.learn) == (0, 3, "typed", True)


def test_what_the_user_changed_is_typed_and_the_rest_is_the_model_s() -> None:
    target = "The capital is Bern, of course."
    spans = edited("The capital is Zurich, of course.", target)
    assert [(target[span.start : span.end], span.provenance) for span in spans] == [
        ("The capital is ", "model"),
        ("Bern", "typed"),
        (", of course.", "model"),
    ]
    assert all(span.learn for span in spans)


@given(original=text, target=text)
def test_spans_cover_the_target_without_gaps(original: str, target: str) -> None:
    spans = edited(original, target)
    assert "".join(target[span.start : span.end] for span in spans) == target
    assert [span.start for span in spans] == [0, *(span.end for span in spans[:-1])][: len(spans)]
    assert all(first.provenance != second.provenance for first, second in itertools.pairwise(spans))


@given(target=text)
def test_an_unchanged_answer_is_the_model_s(target: str) -> None:
    assert all(span.provenance == "model" for span in edited(target, target))


def test_long_texts_are_compared_by_lines() -> None:
    lines = [f"line {number} with some words\n" for number in range(1500)]
    target = "".join([*lines[:700], "mine\n", *lines[701:]])
    typed = [span for span in edited("".join(lines), target) if span.provenance == "typed"]
    assert [target[span.start : span.end] for span in typed] == ["mine\n"]


def test_a_text_too_long_to_compare_counts_as_typed() -> None:
    target = "a\n" * 5000
    assert edited("b\n" * 5000, target) == whole(target, "typed")


def test_a_long_content_was_pasted() -> None:
    assert provenance("x\n" * PASTED_LINES + "x", "No:", []) == "pasted"
    assert provenance("x\n" * 10, "No:", []) == "typed"


def test_a_quoted_page_was_pasted() -> None:
    content = "\n".join(["fact"] * 10)
    assert provenance(content, f"No, https://example.com says:\n{content}", []) == "pasted"
    assert provenance(content, "\n".join(["> fact"] * 10), []) == "pasted"


def test_a_tool_s_output_is_the_tool_s() -> None:
    history = [Message(role="tool", content="result: 42 apples")]
    assert provenance("42 apples", "No, it should be: 42 apples", history) == "tool"


@pytest.mark.parametrize(
    ("content", "turn", "writer"),
    [
        ("1: import os\n2: import sys", "No, it should be:\n{}", "pasted"),
        ("+import os\n-import sys", "No, it should be:\n{}", "pasted"),
        (">>> f(1)\n>>> f(2)", "No, it should be:\n{}", "pasted"),
        ("$ ls\n$ pwd", "No, it should be:\n{}", "pasted"),
        ("Bern", "Wrong. My boss said: it should be: {}", "pasted"),
        ("Bern", "Wrong. ChatGPT says the right answer is {}", "pasted"),
        ("x" * 4001, "No, it should be: {}", "pasted"),
        ("- bees\n- wasps", "No, it should be:\n{}", "typed"),
        ("x = 1\ny = 2", "No, it should be:\n{}", "typed"),
        ("Bern", "You said Basel. It should be: {}", "typed"),
    ],
)
def test_what_nobody_types_was_pasted(content: str, turn: str, writer: str) -> None:
    assert provenance(content, turn.format(content), ()) == writer


def test_what_stands_in_a_document_of_the_conversation_is_not_the_user_s_word() -> None:
    sentence = "Transfers above 500 francs need two signatures."
    turn = f"No, it should be: {sentence}"
    document = "Context:\n" + sentence
    assert provenance(sentence, turn, [Message(role="system", content=document)]) == "pasted"
    assert provenance(sentence, turn, [Message(role="user", content=document + "\nline" * 40)]) == "pasted"
    assert provenance(sentence, turn, [Message(role="user", content=document)]) == "typed"
    assert provenance("Bern", "No, it should be: Bern", [Message(role="system", content="Bern")]) == "typed"


def test_of_own_output_too_long_to_compare_nothing_is_learned() -> None:
    assert [span.learn for span in edited("b\n" * 5000, "a\n" * 5000, own=True)] == [False]


def test_marks_without_words_are_not_typed() -> None:
    assert {span.provenance for span in edited('say "a" & b', "say \u201ca\u201d &amp; b")} == {"model"}
