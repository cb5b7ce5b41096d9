from __future__ import annotations

import json

import pytest

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.embedded import requests
from laimark_sidecar.runners.embedded.api_error import ApiError
from laimark_sidecar.runners.embedded.requests import ChatRequest, CompletionRequest


def _chat(**fields: object) -> ChatRequest:
    body = {"model": "demo", "messages": [{"role": "user", "content": "hi"}]} | fields
    return requests.parse(json.dumps(body).encode(), ChatRequest)


def test_text_parts_are_joined_and_developer_is_system() -> None:
    parsed = _chat(
        messages=[
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "tool", "content": "42", "tool_call_id": "x"},
        ]
    )
    assert requests.messages(parsed) == (
        Message(role="system", content="be brief"),
        Message(role="user", content="ab"),
        Message(role="assistant", content=""),
        Message(role="tool", content="42"),
    )


def test_unknown_fields_are_ignored() -> None:
    assert _chat(frequency_penalty=1, tools=[], user="me", response_format={"type": "text"}).model == "demo"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"model": 1, "messages": []}',
        b'{"messages": []}',
        b'{"model": "demo", "messages": "hi"}',
        b'{"model": "demo", "messages": [{"content": "no role"}]}',
        b'{"model": "demo", "messages": [{"role": "user", "content": 5}]}',
        b'{"model": "demo", "temperature": "hot"}',
        b'{"model": "demo", "temperature": -1}',
        b'{"model": "demo", "max_tokens": 0}',
        b'{"model": "demo", "top_p": 2}',
        b'{"model": "\xff"}',
        b"[" * 100_000,
        b'{"model": "demo", "x": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}",
    ],
)
def test_malformed_body_is_a_400(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        requests.parse(body, ChatRequest)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "robot", "content": "x"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]},
    ],
)
def test_unusable_message_is_named_by_its_index(turn: dict[str, object]) -> None:
    parsed = _chat(messages=[{"role": "user", "content": "ok"}, turn])
    with pytest.raises(ApiError, match=r"messages\[1\]"):
        requests.messages(parsed)


def test_no_messages_is_a_400() -> None:
    with pytest.raises(ApiError, match="at least one"):
        requests.messages(_chat(messages=[]))


def test_smallest_limit_wins() -> None:
    assert requests.sampling(_chat(), room=50).max_tokens == 50
    assert requests.sampling(_chat(max_tokens=9), room=50).max_tokens == 9
    assert requests.sampling(_chat(max_tokens=9, max_completion_tokens=5), room=50).max_tokens == 5
    assert requests.sampling(_chat(max_tokens=900), room=50).max_tokens == 50


def test_log_probs_need_both_fields_of_openai() -> None:
    assert requests.sampling(_chat(top_logprobs=5), room=9).logprobs is None
    assert requests.sampling(_chat(logprobs=True), room=9).logprobs == 0
    assert requests.sampling(_chat(logprobs=True, top_logprobs=5), room=9).logprobs == 5


@pytest.mark.parametrize("fields", [{"n": 2}, {"stop": ["a"] * 17}, {"stop": [""]}])
def test_what_cannot_be_done_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ApiError) as caught:
        requests.sampling(_chat(**fields), room=9)
    assert caught.value.param in fields


def test_stop_may_be_one_text_or_several() -> None:
    assert requests.sampling(_chat(stop="a"), room=9).stops == ("a",)
    assert requests.sampling(_chat(stop=["a", "b"]), room=9).stops == ("a", "b")
    assert requests.sampling(_chat(stop=None), room=9).stops == ()


def test_only_named_options_are_recorded() -> None:
    assert requests.options(_chat(temperature=0, seed=3)) == {"temperature": 0, "seed": 3}


@pytest.mark.parametrize(
    ("prompt", "fine"), [("x", True), (["x"], True), ("", False), (["a", "b"], False), ([], False)]
)
def test_completion_takes_one_prompt(prompt: object, fine: bool) -> None:
    parsed = requests.parse(json.dumps({"model": "demo", "prompt": prompt}).encode(), CompletionRequest)
    if fine:
        assert requests.prompt(parsed) == "x"
    else:
        with pytest.raises(ApiError):
            requests.prompt(parsed)
