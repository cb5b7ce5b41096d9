from __future__ import annotations

import pytest

from laimark_sidecar.experience.approval import approves, praises


@pytest.mark.parametrize(
    "turn", ["Yes.", "That works!", "Thanks! That is correct.", "Exactly", "Yes - that's right"]
)
def test_taking_the_answer_is_approval(turn: str) -> None:
    assert approves(turn)
    assert not praises(turn) or approves(turn)


@pytest.mark.parametrize("turn", ["Great", "Thanks a lot!", "Awesome. Thank you!", "toll, danke"])
def test_politeness_is_praise_and_no_approval(turn: str) -> None:
    assert praises(turn)
    assert not approves(turn)


@pytest.mark.parametrize(
    "turn",
    [
        "Yes, and the second one?",
        "That works? Really?",
        "That works. But not on Windows.",
        "Works 3.5 times",
        "Yes " * 50,
    ],
)
def test_anything_else_is_neither(turn: str) -> None:
    assert not approves(turn)
    assert not praises(turn)
