"""Items and typed events of OpenAI's responses are read as documented (openai-python 2, `types/responses`)."""

from __future__ import annotations

import hashlib
import json

import pytest
from tests.support.passing import answer, sse

from laimark_sidecar.errors import DataError
from laimark_sidecar.gateway.dialects.dialect import Asked
from laimark_sidecar.gateway.dialects.draft import Answer
from laimark_sidecar.gateway.dialects.openai_responses import openai_responses
from laimark_sidecar.gateway.dialects.reading import AnswerReader
from laimark_sidecar.gateway.observing import Ending
from laimark_sidecar.journal.exchange import Message, ToolCall

OUTPUT = [
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I am here."}]},
    {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
]
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "model": "m-1",
    "status": "completed",
    "output": OUTPUT,
    "usage": {"input_tokens": 7, "output_tokens": 5},
    "error": None,
}
EVENTS = [
    {
        "type": "response.created",
        "response": {**RESPONSE, "status": "in_progress", "output": [], "usage": None},
    },
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "summary": []}},
    {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "Hm."},
    {"type": "response.content_part.added", "part": {"type": "output_text", "text": ""}},
    {"type": "response.output_text.delta", "output_index": 1, "delta": "I am "},
    {"type": "response.output_text.delta", "output_index": 1, "delta": "here."},
    {"type": "response.output_text.done", "output_index": 1, "text": "I am here."},
    {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{}"},
    {"type": "response.output_item.done", "output_index": 2, "item": OUTPUT[2]},
]


def ask(**request: object) -> Asked:
    return openai_responses.ask(json.dumps({"model": "m", **request}).encode())


def whole(**changes: object) -> Answer:
    reader = AnswerReader(openai_responses, answer("application/json"))
    reader.feed(json.dumps({**RESPONSE, **changes}).encode())
    return reader.finish("complete")


def streamed(*events: object, how: Ending = "complete") -> Answer:
    reader = AnswerReader(openai_responses, answer("text/event-stream"))
    reader.feed(sse(*events, last=None))
    return reader.finish(how)


def test_text_input_is_the_users_and_instructions_are_the_systems() -> None:
    asked = ask(input="Who are you?", instructions="Be brief.", max_output_tokens=9)

    assert asked.messages == (
        Message(role="system", content="Be brief."),
        Message(role="user", content="Who are you?"),
    )
    assert asked.options == {"max_tokens": 9}


def test_items_are_the_conversation() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,aW1hZ2U="}
    asked = ask(
        input=[
            {"role": "user", "content": [{"type": "input_text", "text": "Look."}, image]},
            {"type": "reasoning", "summary": [], "encrypted_content": "x"},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "2"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Two."}]},
            {"role": "developer", "content": "Go on."},
        ]
    )

    assert asked.messages == (
        Message(role="user", content="Look.", attachments=(hashlib.sha256(b"image").hexdigest(),)),
        Message(role="assistant", content="", tool_calls=(ToolCall(name="f", arguments="{}"),)),
        Message(role="tool", content="2"),
        Message(role="assistant", content="Two."),
        Message(role="system", content="Go on."),
    )


@pytest.mark.parametrize("kept", ["previous_response_id", "conversation", "prompt"])
def test_conversation_that_the_server_keeps_is_marked_as_no_turn(kept: str) -> None:
    assert ask(input="And then?", **{kept: "resp_1"}).options == {"endpoint": "completions"}
    assert ask(input="And then?", **{kept: None}).options == {}


def test_custom_tools_are_called_with_a_text() -> None:
    call = {"type": "custom_tool_call", "call_id": "1", "name": "patch", "input": "*** Begin"}
    asked = ask(input=[call, {"type": "custom_tool_call_output", "call_id": "1", "output": "done"}])

    assert asked.messages == (
        Message(role="assistant", content="", tool_calls=(ToolCall(name="patch", arguments="*** Begin"),)),
        Message(role="tool", content="done"),
    )
    assert whole(output=[call]).tool_calls == (ToolCall(name="patch", arguments="*** Begin"),)


def test_unknown_item_is_an_error() -> None:
    with pytest.raises(DataError, match="computer_call"):
        ask(input=[{"type": "computer_call"}])


def test_whole_response_is_read() -> None:
    assert whole() == Answer(
        text="I am here.",
        thinking="Hm.",
        tool_calls=(ToolCall(name="f", arguments="{}"),),
        finish="stop",
        prompt_tokens=7,
        answer_tokens=5,
        truncated=False,
        model="m-1",
        id="resp_1",
    )


def test_stream_adds_up_to_the_response_that_ends_it() -> None:
    assert streamed(*EVENTS, {"type": "response.completed", "response": RESPONSE}) == whole()


def test_stream_whose_last_event_repeats_nothing_is_what_its_events_said() -> None:
    last = {"type": "response.completed", "response": {**RESPONSE, "output": []}}

    assert streamed(*EVENTS, last) == whole()


def test_aborted_stream_keeps_what_came() -> None:
    found = streamed(*EVENTS[:5], how="aborted")

    assert (found.text, found.thinking, found.finish) == ("I am ", "Hm.", "aborted")


@pytest.mark.parametrize(
    ("changes", "finish"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "error"),
        ({"status": "failed", "error": {"message": "no"}}, "error"),
        ({"status": "cancelled"}, "error"),
    ],
)
def test_how_a_response_ended_is_told_by_its_status(changes: dict[str, object], finish: str) -> None:
    assert whole(**changes).finish == finish


def test_error_event_is_an_error() -> None:
    assert streamed(*EVENTS[:5], {"type": "error", "message": "out of memory"}).finish == "error"
