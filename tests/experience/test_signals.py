from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.experience.signals import Kind, classify

TRACE = "```\nTraceback (most recent call last):\nValueError: 3\n```"


@pytest.mark.parametrize(
    ("turn", "content"),
    [
        ("No, the next line is:\n```python\n    return x\n```", "    return x"),
        ("no, the next line is:\n```\na\nb\n```\nRemember this style.", "a\nb"),
        ("No:\n```python\nx = 1\n```", "x = 1"),
        ("That's wrong. It should be:\n```python\nx = 1\n```", "x = 1"),
        ("That isn\u2019t right. The correct version is:\n```\nx = 1\n```", "x = 1"),
        ("It should be:\n```python\nx = 1\n```", "x = 1"),
        ("This still fails. You should have been more careful. It should be:\n```\nx\n```", None),
        ("No, that still fails. It should be:\n```\nx\n```", "x"),
        ("It should be: `x = 1`", "x = 1"),
        ("it should be:\nfirst line\nsecond line", "first line\nsecond line"),
        ("No, it should be: Paris", "Paris"),
        ("The right answer is 42.", "42"),
        ("The correct answer is 3.5 metres. You forgot the carry.", "3.5 metres"),
        ('The correct spelling is "accommodate".', "accommodate"),
        ('No, "Paris".', "Paris"),
        ("Actually, the correct answer is Bern.", "Bern"),
        ("Correction: the treaty was signed in 1648", "the treaty was signed in 1648"),
        ("Nein, die richtige Antwort ist Bern.", "Bern"),
        ("Falsch. Es muss heißen: \u201edas Haus\u201c", "das Haus"),
        ("Non, ça devrait être : « bleu »", "bleu"),
        ("La bonne réponse est Berne.", "Berne"),
        ("No, debería ser: azul", "azul"),
        ("La respuesta correcta es Berna.", "Berna"),
    ],
)
def test_a_corrected_content_is_found(turn: str, content: str | None) -> None:
    found = classify(turn, "an answer")
    assert found.content == (content or "")
    assert (found.kind == "correction") == (content is not None)
    assert turn[slice(*found.content_span)] == found.content


@pytest.mark.parametrize(
    ("turn", "kind"),
    [
        ("No", "correction_bare"),
        ("no.", "correction_bare"),
        ("Wrong!", "correction_bare"),
        ("That is not right.", "correction_bare"),
        ("That's not what I asked for", "correction_bare"),
        ("That does not work, try again", "correction_bare"),
        ("Das stimmt nicht.", "correction_bare"),
        ("C'est faux.", "correction_bare"),
        ("Eso no es correcto.", "correction_bare"),
        (f"No, this fails:\n{TRACE}", "correction_bare"),
        (f"No, it should be:\n{TRACE}", "correction_bare"),
        ("Wrong:\n```\nx = 1\n```", "correction_bare"),
        ("No, the output is:\n```\n5\n```", "correction_bare"),
        ("No, you wrote:\n```\n5\n```\nThat is not valid.", "correction_bare"),
        ("No, it should be:\n```\na\n```\nor\n```\nb\n```", "correction_bare"),
        ("No, it should be shorter", "correction_bare"),
        ("No, it should be: shorter and friendlier", "correction_bare"),
        ("That's wrong, the correct answer is obviously not 5", "correction_bare"),
        ("Yes, that is right.", "accept"),
        ("Yes, that works", "accept"),
        ("yes", "accept"),
        ("I'll take it", "accept"),
        ("I\u2019ll take it!", "accept"),
        ("accepted", "accept"),
        ("LGTM", "accept"),
        ("Great, that works now. Thanks!", "accept"),
        ("That works. Now add a test for the empty list.", "accept"),
        ("Genau, das passt so.", "accept"),
        ("C'est ça, merci !", "accept"),
        ("Sí, es correcto. Gracias.", "accept"),
        ("thanks, great!", "praise"),
        ("Perfect!", "praise"),
        ("Thank you so much", "praise"),
        ("Danke schön!", "praise"),
        ("No problem", "neutral"),
        ("No, that's fine", "neutral"),
        ("No, thanks", "neutral"),
        ("No, wait, you were right", "neutral"),
        ("No idea what you mean, tell me about cats", "neutral"),
        ("Now make it faster", "neutral"),
        ("It should be faster", "neutral"),
        ("The function should be: documented, tested?", "neutral"),
        ("Right: now the second file", "neutral"),
        ("Correct: the loop runs once. What next?", "neutral"),
        ("Yes, but the second line is off", "neutral"),
        ("That works, but it is slow", "neutral"),
        ("That works. However, it prints an error", "neutral"),
        ("Is that right?", "neutral"),
        ("What is the correct answer?", "neutral"),
        ("Is the right answer 42?", "neutral"),
        ("I was told that the correct answer is 42.", "neutral"),
        ("ok", "neutral"),
        ("That is right", "accept"),
        ("Great, next question: what is a monad?", "neutral"),
        ("", "neutral"),
        ("   \n", "neutral"),
    ],
)
def test_a_turn_is_read_with_precision_first(turn: str, kind: Kind) -> None:
    assert classify(turn, "an answer").kind == kind


@pytest.mark.parametrize("turn", ["no", "No.", "yes", "That is right.", "No, just go on"])
def test_an_answer_to_the_model_s_own_question_is_no_feedback(turn: str) -> None:
    assert classify(turn, "Shall I go on?").kind == "neutral"


def test_a_content_beyond_doubt_corrects_even_a_question() -> None:
    assert classify("No, it should be:\n```\nx\n```", "y?").content == "x"


def test_repeating_the_answer_corrects_nothing() -> None:
    assert classify("It should be: `x = 1`", "x = 1\n").kind == "neutral"


def test_a_few_words_do_not_replace_a_long_answer() -> None:
    assert classify("No, it should be: Paris", "A long story. " * 100).kind == "correction_bare"


def test_asking_nearly_the_same_again_is_a_rephrase() -> None:
    prompt = "How do I reverse a list in Python please?"
    assert classify("How can I reverse a list in Python?", "a", prompt=prompt).kind == "rephrase"
    assert classify("How do I sort a dict by its values?", "a", prompt=prompt).kind == "neutral"


def test_the_same_request_about_other_code_is_not_a_rephrase() -> None:
    prompt = "Complete this line please:\n```python\nx = foo(1\n```"
    assert classify(prompt.replace("foo", "bar"), "a", prompt=prompt).kind == "neutral"
    assert classify("Tell me about chapter 12", "a", prompt="Tell me about chapter 11").kind == "neutral"


@given(turn=st.text(max_size=300), answer=st.text(max_size=50))
def test_a_span_always_cuts_out_the_content(turn: str, answer: str) -> None:
    found = classify(turn, answer, prompt=answer)
    assert turn[slice(*found.content_span)] == found.content
    assert (found.kind == "correction") == bool(found.content)


@pytest.mark.parametrize(
    "piece", ["no, ", "it should be: ", "yes ", "```\n", "the correct ", "that is ", "\u201e", " "]
)
def test_a_hostile_megabyte_is_read_in_linear_time(piece: str) -> None:
    """The suite's timeout is the judge: quadratic matching would take minutes."""
    classify(piece * (1_000_000 // len(piece)), "an answer")


LABELLED = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "turns.jsonl").read_text("utf-8").splitlines()
]


def test_no_labelled_turn_is_taken_for_a_correction_that_it_is_not() -> None:
    # Oracle: labels by hand in eleven languages (scripts/bench_signals.py says by whom).
    found = [(one, classify(one["turn"], one["answer"], prompt=one["prompt"])) for one in LABELLED]
    wrong = [
        one["turn"] for one, turn in found if turn.kind == "correction" and turn.content != one.get("content")
    ]
    assert wrong == []
    assert {one["language"] for one, turn in found if turn.kind == "correction"} == {
        *("en", "de", "fr", "es", "it", "pt", "nl", "pl", "ru", "zh", "ja")
    }


def test_no_labelled_turn_is_taken_for_an_acceptance_that_it_is_not() -> None:
    kinds = [classify(one["turn"], one["answer"], prompt=one["prompt"]).kind for one in LABELLED]
    assert {one["label"] for one, kind in zip(LABELLED, kinds, strict=True) if kind == "accept"} == {"accept"}


@pytest.mark.parametrize("turn", ["Correction: 42 km, not 24", "No, it should be: teh -> the"])
def test_a_content_that_names_the_wrong_beside_the_right_is_not_learned(turn: str) -> None:
    assert classify(turn, "24 km").kind != "correction"
