"""Anthropic's content blocks and events are read as documented (anthropic-sdk-python, `types`)."""

from __future__ import annotations

import hashlib
import json

import pytest
from tests.support.passing import answer, sse

from laimark_sidecar.gateway.dialects.anthropic import anthropic
from laimark_sidecar.gateway.dialects.dialect import Asked
from laimark_sidecar.gateway.dialects.draft import Answer
from laimark_sidecar.gateway.dialects.reading import AnswerReader
from laimark_sidecar.gateway.observing import Ending
from laimark_sidecar.journal.exchange import Message, ToolCall

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m-1",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "x"},
        {"type": "text", "text": "I am here."},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 4},
}
USAGE = {"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 1}
EVENTS: list[dict[str, object]] = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": USAGE}},
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "x"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "I am "}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "here."}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    },
    {
        "type": "content_block_delta",
        "index": 2,
        "delta": {"type": "input_json_delta", "partial_json": '{"a"'},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": ":1}"}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}},
    {"type": "message_stop"},
]


def ask(**request: object) -> Asked:
    return anthropic.ask(json.dumps({"model": "m", "max_tokens": 100, **request}).encode())


def whole(**changes: object) -> Answer:
    reader = AnswerReader(anthropic, answer("application/json"))
    reader.feed(json.dumps({**MESSAGE, **changes}, separators=(",", ":")).encode())
    return reader.finish("complete")


def streamed(*events: object, how: Ending = "complete") -> Answer:
    reader = AnswerReader(anthropic, answer("text/event-stream; charset=utf-8"))
    reader.feed(sse(*events, last=None))
    return reader.finish(how)


@pytest.mark.parametrize("system", ["Be brief.", [{"type": "text", "text": "Be brief."}]])
def test_system_is_the_first_message(system: object) -> None:
    asked = ask(system=system, messages=[{"role": "user", "content": "Hi"}], thinking={"type": "enabled"})

    assert asked.messages == (Message(role="system", content="Be brief."), Message(role="user", content="Hi"))
    assert asked.options == {"max_tokens": 100, "think": True}


def test_blocks_are_text_digests_calls_and_results() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aW1hZ2U="}}
    asked = ask(
        messages=[
            {"role": "user", "content": [image, {"type": "text", "text": "Look."}]},
            {"role": "assistant", "content": MESSAGE["content"]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "2"}]},
                    {"type": "text", "text": "Go on."},
                ],
            },
        ]
    )

    assert asked.messages == (
        Message(role="user", content="Look.", attachments=(hashlib.sha256(b"image").hexdigest(),)),
        Message(
            role="assistant", content="I am here.", tool_calls=(ToolCall(name="f", arguments='{"a": 1}'),)
        ),
        Message(role="tool", content="2"),
        Message(role="user", content="Go on."),
    )


def test_whole_message_is_read_and_cached_tokens_are_of_the_prompt() -> None:
    assert whole() == Answer(
        text="I am here.",
        thinking="Hm.",
        tool_calls=(ToolCall(name="f", arguments='{"a":1}'),),
        finish="stop",
        prompt_tokens=7,
        answer_tokens=4,
        truncated=False,
        model="m-1",
        id="msg_1",
    )


def test_stream_adds_up_to_the_whole_message() -> None:
    assert streamed(*EVENTS) == whole()


def test_aborted_stream_keeps_what_came() -> None:
    found = streamed(*EVENTS[:8], how="aborted")

    assert (found.text, found.thinking, found.finish) == ("I am ", "Hm.", "aborted")


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("refusal", "error")],
)
def test_why_it_stopped_is_told_in_the_journals_words(reason: str, finish: str) -> None:
    assert whole(stop_reason=reason).finish == finish


def test_error_event_is_an_error() -> None:
    assert streamed(*EVENTS[:8], {"type": "error", "error": {"type": "overloaded_error"}}).finish == "error"
