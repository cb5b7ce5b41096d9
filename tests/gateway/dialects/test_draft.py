"""Pieces add up to an answer whose finish is never better than what was said."""

from __future__ import annotations

import pytest

from laimark_sidecar.gateway.dialects.draft import Draft
from laimark_sidecar.gateway.observing import Ending
from laimark_sidecar.journal.exchange import Finish, ToolCall


@pytest.mark.parametrize(
    ("said", "failed", "how", "finish"),
    [
        ("stop", False, "complete", "stop"),
        ("length", False, "complete", "length"),
        ("stop", False, "aborted", "stop"),
        ("stop", True, "complete", "error"),
        (None, False, "complete", "error"),
        (None, False, "failed", "error"),
        (None, False, "aborted", "aborted"),
        (None, True, "aborted", "error"),
    ],
)
def test_finish_follows_what_was_said_and_how_it_ended(
    said: Finish | None, failed: bool, how: Ending, finish: Finish
) -> None:
    assert Draft(finish=said, failed=failed).settled(how).finish == finish


def test_unknown_reason_is_an_error() -> None:
    draft = Draft()
    draft.stopped("bored", {"stop": "stop"})

    assert draft.settled("complete").finish == "error"


def test_calls_come_in_the_order_of_their_index() -> None:
    draft = Draft()
    draft.call(1, name="second")
    draft.call(0, name="fir")
    draft.call(0, name="st", arguments="{")
    draft.call(0, arguments="}")

    assert draft.settled("complete").tool_calls == (
        ToolCall(name="first", arguments="{}"),
        ToolCall(name="second", arguments=""),
    )


def test_later_names_and_counts_stand_and_missing_ones_change_nothing() -> None:
    draft = Draft()
    draft.named(model="a", id="1")
    draft.named(model=None)
    draft.counted(prompt=3, answer=1)
    draft.counted(prompt=None, answer=2)

    found = draft.settled("complete")
    assert (found.model, found.id, found.prompt_tokens, found.answer_tokens) == ("a", "1", 3, 2)


def test_cleared_draft_forgets_content_only() -> None:
    draft = Draft(texts=["a"], thoughts=["b"], model="m")
    draft.call(0, name="f")
    draft.clear()

    found = draft.settled("complete")
    assert (found.text, found.thinking, found.tool_calls, found.model) == ("", "", (), "m")
