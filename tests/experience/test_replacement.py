from __future__ import annotations

import pytest

from laimark_sidecar.experience.replacement import names_a_form, replacement_span


def replaced(turn: str, answer: str) -> str | None:
    span = replacement_span(turn, answer)
    return None if span is None else turn[slice(*span)]


@pytest.mark.parametrize(
    ("turn", "answer", "content"),
    [
        ("No, it's Canberra.", "Sydney", "Canberra"),
        ("wrong, 42", "41", "42"),
        ('Fast! Richtig ist "Rhythmus".', "Rythmus", "Rhythmus"),
        ("nope. should be `for i in range(1, n + 1):`", "for i in range(n):", "for i in range(1, n + 1):"),
        ("不对\uff0c是堪培拉。", "悉尼", "堪培拉"),
        ("違います、キャンベラです。", "シドニー", "キャンベラ"),
        ("should be: sed '/^$/d'", "sed '/^$/p'", "sed '/^$/d'"),
        ("Nein, Bern.", "Zürich", "Bern"),
    ],
)
def test_a_short_right_answer_takes_the_place_of_a_short_wrong_one(
    turn: str, answer: str, content: str
) -> None:
    assert replaced(turn, answer) == content


@pytest.mark.parametrize(
    ("turn", "answer"),
    [
        ("No, thanks.", "Shall I go on?"),
        ("No, shorter.", "A long text."),
        ("no, use ruff", "flake8 is a linter"),
        ("No, 5 minutes", "42"),
        ("No, it's Canberra, isn't it?", "Sydney"),
        (
            "No, Paris.",
            "The capital of France is a city on the Seine with two million people who live there.",
        ),
        ("No, stop", "Sydney"),
        ("wrong, 41", "41"),
        ("No, it's\nCanberra", "Sydney"),
        ("x" * 5000, "y"),
    ],
)
def test_anything_else_after_a_no_is_none(turn: str, answer: str) -> None:
    assert replaced(turn, answer) is None


def test_a_form_is_a_wish_unless_a_form_was_the_answer() -> None:
    assert names_a_form("JSON", "name: Ada")
    assert not names_a_form("JSON", "YAML")
    assert not names_a_form("Canberra", "Sydney")
