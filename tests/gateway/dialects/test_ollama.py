"""Ollama's chat and generate are read as its `api/types.go` defines them, and llama-server's words on its path."""

from __future__ import annotations

import hashlib
import json

import pytest
from tests.support.passing import answer, ndjson, sse

from laimark_sidecar.gateway.dialects.dialect import Asked, Dialect
from laimark_sidecar.gateway.dialects.draft import Answer
from laimark_sidecar.gateway.dialects.ollama import ollama_chat, ollama_generate
from laimark_sidecar.gateway.dialects.reading import AnswerReader
from laimark_sidecar.gateway.observing import Ending
from laimark_sidecar.journal.exchange import Message, ToolCall

LAST = {
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 7,
    "eval_count": 5,
    "total_duration": 10**12,
}


def ask(dialect: Dialect, **request: object) -> Asked:
    return dialect.ask(json.dumps({"model": "m", **request}).encode())


def lines(dialect: Dialect, *objects: dict[str, object], how: Ending = "complete") -> Answer:
    reader = AnswerReader(dialect, answer("application/x-ndjson"))
    reader.feed(ndjson(*({"model": "m-1", "done": False, **line} for line in objects)))
    return reader.finish(how)


def said(**message: object) -> dict[str, object]:
    return {"message": {"role": "assistant", "content": "", **message}}


def test_chat_request_is_read_with_images_tools_and_options() -> None:
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    asked = ask(
        ollama_chat,
        messages=[
            {"role": "user", "content": "Look.", "images": ["aW1hZ2U="]},
            {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": [call]},
            {"role": "tool", "tool_name": "f", "content": "2"},
        ],
        tools=[{"type": "function"}],
        think="high",
        format="json",
        options={"num_ctx": 4096, "num_predict": 9, "temperature": 0.1, "stop": ["x"], "num_gpu": 1},
    )

    assert asked.messages == (
        Message(role="user", content="Look.", attachments=(hashlib.sha256(b"image").hexdigest(),)),
        Message(role="assistant", content="", tool_calls=(ToolCall(name="f", arguments='{"a": 1}'),)),
        Message(role="tool", content="2"),
    )
    assert asked.options == {
        "num_ctx": 4096,
        "max_tokens": 9,
        "temperature": 0.1,
        "tools": 1,
        "think": "high",
        "grammar": True,
    }


@pytest.mark.parametrize("request_", [{}, {"messages": []}])
def test_chat_without_messages_loads_a_model_and_asks_nothing(request_: dict[str, object]) -> None:
    assert ask(ollama_chat, **request_).messages == ()


def test_streamed_chat_adds_up() -> None:
    found = lines(
        ollama_chat,
        said(thinking="Let me "),
        said(thinking="see."),
        said(content="I am "),
        said(content="here."),
        said(tool_calls=[{"function": {"index": 0, "name": "f", "arguments": {"a": 1}}}]),
        said(tool_calls=[{"function": {"index": 0, "name": "g", "arguments": {}}}]),
        {**said(), **LAST},
    )

    assert found == Answer(
        text="I am here.",
        thinking="Let me see.",
        tool_calls=(ToolCall(name="f", arguments='{"a": 1}'), ToolCall(name="g", arguments="{}")),
        finish="stop",
        prompt_tokens=7,
        answer_tokens=5,
        truncated=False,
        model="m-1",
        id="",
    )


def test_whole_chat_is_read() -> None:
    reader = AnswerReader(ollama_chat, answer("application/json; charset=utf-8"))
    reader.feed(json.dumps({"model": "m-1", **said(content="A."), **LAST}).encode())

    assert reader.finish("complete").text == "A."


@pytest.mark.parametrize(
    ("reason", "finish"), [("stop", "stop"), (None, "stop"), ("length", "length"), ("unload", "error")]
)
def test_done_reason_is_the_finish(reason: str | None, finish: str) -> None:
    found = lines(ollama_chat, {**said(content="A."), **LAST, "done_reason": reason})

    assert found.finish == finish


def test_error_line_in_mid_stream_is_an_error() -> None:
    assert lines(ollama_chat, said(content="I am"), {"error": "out of memory"}).finish == "error"


def test_stream_without_its_last_line_is_cut() -> None:
    assert lines(ollama_chat, said(content="I am")).finish == "error"
    assert lines(ollama_chat, said(content="I am"), how="aborted").finish == "aborted"


def test_llama_server_answers_on_the_same_path_in_openais_words() -> None:
    choice = {"index": 0, "delta": {"content": "A."}, "finish_reason": "stop"}
    reader = AnswerReader(ollama_chat, answer("text/event-stream"))
    reader.feed(sse({"id": "c", "choices": [choice]}))
    found = reader.finish("complete")

    assert (found.text, found.finish, found.id) == ("A.", "stop", "c")


def test_generate_with_a_system_text_is_a_conversation_of_one_turn() -> None:
    asked = ask(ollama_generate, prompt="Who are you?", system="Be brief.", images=["aW1hZ2U="])

    assert asked.messages == (
        Message(role="system", content="Be brief."),
        Message(role="user", content="Who are you?", attachments=(hashlib.sha256(b"image").hexdigest(),)),
    )
    assert asked.options == {}
    assert not asked.background


@pytest.mark.parametrize("bare", [{"raw": True}, {"template": "{{ .Prompt }}"}, {"context": [1, 2]}])
def test_generate_without_the_template_or_from_kept_tokens_is_no_turn(bare: dict[str, object]) -> None:
    asked = ask(ollama_generate, prompt="x", **bare)

    assert asked.options == {"endpoint": "completions"}
    assert not asked.background


def test_generate_with_a_suffix_is_an_editors() -> None:
    asked = ask(ollama_generate, prompt="def add(", suffix="return c")

    assert asked.background
    assert asked.options == {"endpoint": "completions"}


def test_generate_without_a_prompt_loads_a_model_and_asks_nothing() -> None:
    assert ask(ollama_generate, prompt="", keep_alive=0, system="Be brief.").messages == ()


def test_generated_lines_add_up() -> None:
    found = lines(
        ollama_generate,
        {"response": "", "thinking": "Hm."},
        {"response": "I am "},
        {"response": "here."},
        {"response": "", "context": [1, 2, 3], **LAST},
    )

    assert (found.text, found.thinking, found.finish) == ("I am here.", "Hm.", "stop")
    assert (found.prompt_tokens, found.answer_tokens) == (7, 5)
