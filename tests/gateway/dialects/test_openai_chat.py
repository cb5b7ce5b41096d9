"""OpenAI's chat is read as it is documented (openai-python 2, `types/chat`), streamed and whole."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from tests.support.passing import answer, sse

from laimark_sidecar.errors import DataError
from laimark_sidecar.gateway.dialects.draft import Answer
from laimark_sidecar.gateway.dialects.openai_chat import openai_chat
from laimark_sidecar.gateway.dialects.reading import AnswerReader
from laimark_sidecar.journal.exchange import Message, ToolCall


def ask(**request: object) -> Any:
    return openai_chat.ask(json.dumps({"model": "m", **request}).encode())


def streamed(*events: object) -> Answer:
    reader = AnswerReader(openai_chat, answer("text/event-stream"))
    reader.feed(sse(*events))
    return reader.finish("complete")


def whole(said: dict[str, object], *, finish: str = "stop", **more: object) -> Answer:
    reader = AnswerReader(openai_chat, answer("application/json"))
    reader.feed(
        json.dumps({"choices": [{"index": 0, "message": said, "finish_reason": finish}], **more}).encode()
    )
    return reader.finish("complete")


def piece(delta: dict[str, object], finish: str | None = None, *, index: int = 0) -> dict[str, object]:
    return {
        "id": "c-1",
        "model": "m-1",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish}],
    }


def test_roles_are_those_of_the_journal() -> None:
    roles = ["system", "developer", "user", "assistant", "tool", "function"]

    asked = ask(messages=[{"role": role, "content": "x"} for role in roles])

    assert [message.role for message in asked.messages] == [
        "system",
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
    ]


def test_text_parts_are_joined_and_of_an_image_only_its_digest_is_kept() -> None:
    parts = [
        {"type": "text", "text": "What is "},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aW1hZ2U="}},
        {"type": "text", "text": "this?"},
    ]

    asked = ask(messages=[{"role": "user", "content": parts}])

    assert asked.messages == (
        Message(role="user", content="What is this?", attachments=(hashlib.sha256(b"image").hexdigest(),)),
    )


def test_tool_calls_of_earlier_turns_are_kept_with_their_results() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}

    asked = ask(
        messages=[
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "2"},
            {"role": "assistant", "function_call": {"name": "old", "arguments": "{}"}},
        ]
    )

    assert asked.messages == (
        Message(role="assistant", content="", tool_calls=(ToolCall(name="f", arguments='{"a": 1}'),)),
        Message(role="tool", content="2"),
        Message(role="assistant", content="", tool_calls=(ToolCall(name="old", arguments="{}"),)),
    )


def test_what_an_assistant_thought_before_is_dropped() -> None:
    asked = ask(messages=[{"role": "assistant", "content": "A.", "reasoning_content": "Hm."}])

    assert asked.messages == (Message(role="assistant", content="A."),)


def test_sampling_tools_and_thinking_are_options() -> None:
    asked = ask(
        messages=[],
        temperature=0,
        max_completion_tokens=9,
        seed=3,
        tools=[{"type": "function"}, {"type": "function"}],
        reasoning_effort="low",
        response_format={"type": "json_object"},
        stream=True,
    )

    assert asked.options == {
        "temperature": 0,
        "max_tokens": 9,
        "seed": 3,
        "tools": 2,
        "think": "low",
        "grammar": True,
    }


def test_answer_of_one_token_is_asked_by_a_program() -> None:
    assert ask(messages=[], max_tokens=1).background
    assert not ask(messages=[], max_tokens=2).background
    assert not ask(messages=[]).background


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({"role": "narrator", "content": "x"}, id="role"),
        pytest.param({"role": "user", "content": [{"type": "hologram"}]}, id="part"),
        pytest.param({"role": "user", "content": 7}, id="number for a text"),
        pytest.param({"content": "x"}, id="no role"),
    ],
)
def test_what_is_not_understood_is_an_error_that_repeats_no_text(message: dict[str, object]) -> None:
    with pytest.raises(DataError) as caught:
        ask(messages=[{"role": "user", "content": "secret"}, message])

    assert "secret" not in str(caught.value)


def test_stream_adds_up_to_its_text_thinking_and_counts() -> None:
    found = streamed(
        piece({"role": "assistant", "content": None}),
        piece({"reasoning_content": "Let me "}),
        piece({"reasoning": "see."}),
        piece({"content": "I am "}),
        piece({"content": "here."}),
        piece({}, "stop"),
        {"id": "c-1", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}},
    )

    assert found == Answer(
        text="I am here.",
        thinking="Let me see.",
        tool_calls=(),
        finish="stop",
        prompt_tokens=7,
        answer_tokens=5,
        truncated=False,
        model="m-1",
        id="c-1",
    )


def test_llama_servers_timings_count_where_no_usage_was_asked_for() -> None:
    last = {**piece({}, "stop"), "timings": {"cache_n": 4, "prompt_n": 3, "predicted_n": 5, "prompt_ms": 0.5}}

    found = streamed(piece({"content": "A."}), last)

    assert (found.prompt_tokens, found.answer_tokens) == (7, 5)


def test_pieces_of_tool_calls_are_put_together_by_their_index() -> None:
    def call(index: int, **function: str) -> dict[str, object]:
        return piece({"tool_calls": [{"index": index, "function": function}]})

    found = streamed(
        call(0, name="first", arguments=""),
        call(0, arguments='{"a"'),
        call(1, name="second", arguments="{}"),
        call(0, arguments=": 1}"),
        piece({}, "tool_calls"),
    )

    assert found.tool_calls == (
        ToolCall(name="first", arguments='{"a": 1}'),
        ToolCall(name="second", arguments="{}"),
    )
    assert (found.text, found.finish) == ("", "stop")


def test_of_several_choices_the_first_is_the_answer() -> None:
    found = streamed(
        piece({"content": "no"}, index=1),
        piece({"content": "yes"}),
        piece({}, "length", index=1),
        piece({}, "stop"),
    )

    assert (found.text, found.finish) == ("yes", "stop")


def test_whole_completion_is_read_as_the_stream_is() -> None:
    found = whole(
        {"role": "assistant", "content": "A.", "reasoning_content": "Hm."},
        finish="length",
        id="c-2",
        model="m-2",
        usage={"prompt_tokens": 1, "completion_tokens": 2},
    )

    assert (found.text, found.thinking, found.finish) == ("A.", "Hm.", "length")
    assert (found.id, found.model, found.prompt_tokens, found.answer_tokens) == ("c-2", "m-2", 1, 2)


def test_old_function_call_is_a_tool_call() -> None:
    found = whole(
        {"content": None, "function_call": {"name": "f", "arguments": "{}"}}, finish="function_call"
    )

    assert found.tool_calls == (ToolCall(name="f", arguments="{}"),)


def test_refusal_is_the_answer() -> None:
    assert whole({"content": None, "refusal": "I will not."}).text == "I will not."


@pytest.mark.parametrize("finish", ["content_filter", "abort", ""])
def test_answer_that_did_not_end_by_itself_is_an_error(finish: str) -> None:
    assert whole({"content": "A."}, finish=finish).finish == "error"


def test_error_in_mid_stream_is_an_error_though_text_came() -> None:
    found = streamed(piece({"content": "I am"}), {"error": {"message": "out of memory"}})

    assert (found.text, found.finish) == ("I am", "error")
