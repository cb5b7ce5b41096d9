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
from laimark_sidecar.sources.openai_jsonl import OpenAIJsonlSource, parse

HI = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]


def told(line: Any) -> list[Exchange | Feedback]:
    return list(parse(json.dumps(line).encode(), "a.jsonl", 5.0))


def test_the_last_assistant_message_is_the_answer() -> None:
    more = [*HI, {"role": "user", "content": "On"}, {"role": "assistant", "content": "Off"}]
    (exchange,) = told({"messages": more, "model": "m", "created": 1_760_000_000})
    assert isinstance(exchange, Exchange)
    assert ([one.content for one in exchange.messages], exchange.answer) == (["Hi", "Ho", "On"], "Off")
    assert (exchange.model, exchange.time_s, exchange.source) == ("m", 1_760_000_000, "openai-jsonl")


@pytest.mark.parametrize(
    ("rating", "kind"),
    [(True, "accept"), (1, "accept"), ("good", "accept"), (-1, "reject"), (False, "reject"), (0, None)],
)
def test_a_rating_is_told_as_what_the_user_did(rating: object, kind: str | None) -> None:
    exchange, *feedback = told({"messages": HI, "rating": rating})
    assert [(one.kind, one.exchange_id) for one in feedback if isinstance(one, Feedback)] == (
        [(kind, exchange.id)] if kind else []
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({}, "`messages` is no list"),
        ({"messages": HI[:1]}, "no answer"),
        ({"messages": HI[1:]}, "no answer"),
        ({"messages": HI, "rating": 4}, "the rating is none of"),
        ({"messages": HI, "created": "once"}, "created"),
    ],
)
def test_what_is_no_rated_conversation_is_refused(line: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        told(line)


def test_a_hostile_line_is_a_fault_and_the_next_is_read(tmp_path: Path) -> None:
    good = json.dumps({"messages": HI}).encode()
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([b"[" * 100_000, b'"\xff\xfe"', b"{", good, b""]))
    batch = OpenAIJsonlSource(tmp_path, clock=At(9e9)).read(None)
    assert [one.answer for one in batch.records if isinstance(one, Exchange)] == ["Ho"]
    assert len(batch.faults) == 3


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["user", "assistant", "text", "tool"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "tool_calls", "function", "name", "images"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
messages = st.lists(
    values | st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": values}),
    max_size=4,
)


@given(messages, values, values)
def test_whatever_stands_in_a_line_is_told_or_refused(held: list[Any], rating: Any, created: Any) -> None:
    try:
        found = told({"messages": held, "rating": rating, "created": created})
    except DataError:
        return
    assert [decode(encode(one)) for one in found] == found
