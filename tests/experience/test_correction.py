from __future__ import annotations

import pytest

from laimark_sidecar.experience.correction import corrected_span


def content(turn: str, *, negated: bool) -> str | None:
    span = corrected_span(turn, negated=negated)
    return turn[slice(*span)] if span else None


def test_without_a_rejection_only_a_turn_that_begins_with_a_marker_counts() -> None:
    turn = "In my notes it should be: Paris"
    assert content(turn, negated=True) == "Paris"
    assert content(turn, negated=False) is None


def test_indentation_of_a_block_is_content() -> None:
    assert content("No, the next line is:\n```python\n\treturn x  \n```", negated=True) == "\treturn x  "


@pytest.mark.parametrize(
    "turn",
    [
        "No, it should be:\n```\n\n```",
        "No, it should be:\n```\nx\n```\nor should it be y?",
        "No, it should be:\n```\nx\n```\nbut that fails too",
        "No, " + "word " * 100 + "it should be:\n```\nx\n```",
        "No, here is my file:\n```\nx\n```",
        'No, it should be: ""',
        "No, it should be: one thing\n\nAnd another thing entirely.",
        "No, the correct answer is",
    ],
)
def test_what_is_doubtful_is_no_content(turn: str) -> None:
    assert content(turn, negated=True) is None


def test_a_quotation_that_a_clause_goes_on_from_is_a_rule_and_no_content() -> None:
    assert corrected_span('No, you should say: "I don\'t know" when you are not sure.', negated=True) is None
