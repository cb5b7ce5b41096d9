from __future__ import annotations

import pytest
from tests.experience.conftest import Memory, exchange, learn

from laimark_sidecar.experience.history import steps
from laimark_sidecar.experience.relabelling import origin, reads_alone


def origin_index(*turns: str) -> int:
    history = steps(exchange(*turns), Memory())
    return origin(history, len(history) - 1).index


def test_bare_rejections_lead_back_to_the_first_prompt() -> None:
    assert origin_index("u: q", "a: 1", "u: No.", "a: 2", "u: Wrong.", "a: 3", "u: Yes.") == 1


def test_a_step_without_rejections_before_it_is_its_own_origin() -> None:
    assert origin_index("u: q", "a: 1", "u: and now?", "a: 2", "u: Yes.") == 3
    assert origin_index("u: q", "a: 1", "u: Yes.") == 1


def test_a_rejection_further_up_belongs_to_something_else() -> None:
    assert origin_index("u: q", "a: 1", "u: No.", "a: 2", "t: out", "a: 3", "u: Yes.") == 5


@pytest.mark.parametrize(
    "answer", ["Sorry, 42.", "You\u2019re right, 42.", "I apologize. 42", "Here is the corrected code: 42"]
)
def test_an_apology_does_not_read_alone(answer: str) -> None:
    assert not reads_alone(answer)


@pytest.mark.parametrize("answer", ["42", "return sorry", "Here is a list"])
def test_a_plain_answer_reads_alone(answer: str) -> None:
    assert reads_alone(answer)


def test_what_answers_a_reworded_question_is_not_said_to_answer_the_first() -> None:
    # One word of a near-equal question may be what changed: Switzerland, Swaziland.
    turns = (
        "u: What is the capital of Switzerland?",
        "a: Bern",
        "u: What is the capital of Swaziland?",
        "a: Mbabane",
        "u: That's right.",
    )
    asked = exchange(*turns[:3], answer="Mbabane")
    found = learn(asked, exchange(*turns, time_s=1001.0)).items
    assert [(item.messages[-1].content, item.target) for item in found] == [(turns[2][3:], "Mbabane")]
