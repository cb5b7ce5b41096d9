from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sources.test_open_webui import At

from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Exchange, Feedback, decode, encode
from laimark_sidecar.sources.continue_dev import ContinueSource, parse

CHAT = {
    "prompt": "<system>\nBe brief.\n\n<user>\nHi\n\n<assistant>\nHo\n\n<user>\nOn\n\n",
    "completion": "Off",
    "createdAt": "2025-10-01T12:00:00.000Z",
    "modelName": "m",
}


def told(event: str, line: Any) -> list[Exchange | Feedback]:
    return list(parse(json.dumps(line).encode(), f"0.2.0/{event}.jsonl", 5.0))


def test_a_chat_is_told_with_its_messages() -> None:
    (exchange,) = told("chatInteraction", CHAT)
    assert isinstance(exchange, Exchange)
    assert [(one.role, one.content) for one in exchange.messages] == [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Ho"),
        ("user", "On"),
    ]
    assert (exchange.answer, exchange.model, exchange.time_s) == ("Off", "m", 1_759_320_000)


@pytest.mark.parametrize(("thumb", "kind"), [(True, "accept"), (False, "reject")])
def test_a_thumb_is_about_the_chat_that_is_known(thumb: bool, kind: str) -> None:
    (chat,) = told("chatInteraction", CHAT)
    again, feedback = told("chatFeedback", {**CHAT, "feedback": thumb, "createdAt": "2025-10-01T12:05:00Z"})
    assert isinstance(feedback, Feedback)
    assert (again.id, feedback.exchange_id, feedback.kind) == (chat.id, chat.id, kind)


def test_a_completion_while_typing_is_background() -> None:
    exchange, feedback = told("autocomplete", {"prompt": "def f", "completion": "(x):", "accepted": False})
    assert isinstance(exchange, Exchange)
    assert exchange.background
    assert isinstance(feedback, Feedback)
    assert feedback.kind == "reject"


def test_an_edit_is_accepted_or_not() -> None:
    line = {"prompt": "Rename x", "completion": "y = 1", "accepted": True}
    exchange, feedback = told("editOutcome", line)
    assert isinstance(exchange, Exchange)
    assert not exchange.background
    assert isinstance(feedback, Feedback)
    assert feedback.kind == "accept"


def test_other_events_are_passed_over() -> None:
    assert told("tokensGenerated", {"promptTokens": 1}) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"prompt": "x"}, "no `prompt` and `completion`"),
        ({**CHAT, "prompt": "<|im_start|>user"}, "a template was applied"),
        ({**CHAT, "createdAt": "once"}, "createdAt"),
    ],
)
def test_another_layout_is_refused(line: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        told("chatInteraction", line)


def test_events_below_the_folder_are_found(tmp_path: Path) -> None:
    (tmp_path / "0.2.0").mkdir()
    (tmp_path / "0.2.0" / "chatInteraction.jsonl").write_text(json.dumps(CHAT) + "\n", encoding="utf-8")
    batch = ContinueSource(tmp_path, clock=At(9e9)).read(None)
    assert [one.answer for one in batch.records if isinstance(one, Exchange)] == ["Off"]


values = st.none() | st.booleans() | st.integers() | st.sampled_from(["", "<user>\nHi", CHAT["prompt"], "x"])


@given(
    st.sampled_from(["chatInteraction", "chatFeedback", "editOutcome", "autocomplete", "other"]),
    st.dictionaries(
        st.sampled_from(["prompt", "completion", "createdAt", "accepted", "feedback", "modelName"]), values
    ),
)
def test_whatever_stands_in_an_event_is_told_or_refused(event: str, line: dict[str, Any]) -> None:
    try:
        found = told(event, line)
    except DataError:
        return
    assert [decode(encode(one)) for one in found] == found
