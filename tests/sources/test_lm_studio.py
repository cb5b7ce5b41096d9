from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sources.test_open_webui import At

from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Exchange, decode, encode
from laimark_sidecar.sources.lm_studio import LmStudioSource, parse

MS = 1_759_320_000_000


def asked(text: str, *more: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": text}, *more]
    return {"versions": [{"type": "singleStep", "role": "user", "content": content}], "currentlySelected": 0}


def step(text: str, ms: int, *, thinking: bool = False) -> dict[str, Any]:
    return {
        "type": "contentBlock",
        "stepIdentifier": f"{ms}-0.25",
        "content": [
            {"type": "text", "text": text},
            {"type": "text", "text": "</think>", "isStructural": True},
        ],
        **({"style": {"type": "thinking", "ended": True}} if thinking else {}),
        "genInfo": {"identifier": "qwen", "stats": {"stopReason": "eosFound"}},
    }


def answered(*versions: list[dict[str, Any]], chosen: int = 0) -> dict[str, Any]:
    made = [
        {"type": "multiStep", "role": "assistant", "steps": steps, "senderInfo": {"senderName": "q"}}
        for steps in versions
    ]
    return {"versions": made, "currentlySelected": chosen}


def file(*messages: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"name": "n", "createdAt": MS, "messages": list(messages), **more}).encode()


def test_each_answer_is_told_with_its_history_and_without_its_thinking() -> None:
    content = file(
        asked("Hi"),
        answered([step("hm", MS + 1000, thinking=True), step("Ho", MS + 2000)]),
        systemPrompt="Be brief.",
    )
    (exchange,) = parse(content, 0.0)
    assert [(one.role, one.content) for one in exchange.messages] == [("system", "Be brief."), ("user", "Hi")]
    assert (exchange.answer, exchange.thinking, exchange.model) == ("Ho", "hm", "qwen")
    assert (exchange.source, exchange.time_s) == ("lm-studio", MS / 1000 + 1)


def test_versions_are_answers_to_the_same_and_the_selected_one_is_followed() -> None:
    content = file(
        asked("Hi"),
        answered([step("first", MS + 1)], [step("second", MS + 2)], chosen=1),
        asked("On"),
        answered([step("third", MS + 3)]),
    )
    found = list(parse(content, 0.0))
    assert [one.answer for one in found] == ["first", "second", "third"]
    assert [one.content for one in found[2].messages] == ["Hi", "second", "On"]


def test_a_file_beside_a_prompt_is_told_by_digest() -> None:
    content = file(asked("See", {"type": "file", "fileIdentifier": "1.png"}), answered([step("Nice", MS)]))
    (exchange,) = parse(content, 0.0)
    assert len(exchange.messages[0].attachments) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "truncated"),
        (b"{}", "no list `messages`"),
        (json.dumps({"messages": [], "createdAt": "once"}).encode(), "createdAt"),
        (file({"versions": [], "currentlySelected": 0}), "no selected version"),
        (file({"versions": [{"role": "robot"}], "currentlySelected": 0}), "no role"),
        (b"[" * 100_000, "."),
    ],
)
def test_another_structure_is_told(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(parse(content, 0.0))


def test_conversations_below_the_folder_are_found(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "1.conversation.json").write_bytes(file(asked("Hi"), answered([step("Ho", MS)])))
    (tmp_path / "notes.json").write_bytes(b"{}")
    batch = LmStudioSource(tmp_path, clock=At(9e9)).read(None)
    assert [one.answer for one in batch.records if isinstance(one, Exchange)] == ["Ho"]
    assert batch.faults == ()


values = st.recursive(
    st.none()
    | st.integers()
    | st.sampled_from(["text", "user", "assistant", "contentBlock", f"{MS}-1", "thinking"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "role", "content", "steps", "text", "style", "genInfo", "stepIdentifier"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"versions": st.lists(values, max_size=2), "currentlySelected": st.integers(0, 1)}
        ),
        max_size=3,
    )
)
def test_whatever_stands_in_a_conversation_is_told_or_refused(messages: list[dict[str, Any]]) -> None:
    try:
        found = list(parse(file(*messages), 0.0))
    except DataError:
        return
    assert [decode(encode(one)) for one in found] == found
