from __future__ import annotations

import pytest

from laimark_sidecar.experience.clarification import clarifies


@pytest.mark.parametrize(
    "turn",
    [
        "why?",
        "But are you sure?",
        "I forgot to mention that it runs on Windows",
        "Kannst du das genauer erklären?",
        "为什么",
        "どういう意味ですか",
    ],
)
def test_a_question_about_the_answer_is_told_from_a_new_one(turn: str) -> None:
    assert clarifies(turn)


@pytest.mark.parametrize("turn", ["What is the capital of France?", "Now translate it", "No.", "why " * 100])
def test_a_new_request_clarifies_nothing(turn: str) -> None:
    assert not clarifies(turn)
