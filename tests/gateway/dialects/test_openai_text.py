"""A bare text to be continued is read, and marked as no turn of a conversation."""

from __future__ import annotations

import json

import pytest
from tests.support.passing import answer, sse

from laimark_sidecar.gateway.dialects.dialect import Asked
from laimark_sidecar.gateway.dialects.openai_text import openai_text
from laimark_sidecar.gateway.dialects.reading import AnswerReader
from laimark_sidecar.journal.exchange import Message


def ask(**request: object) -> Asked:
    return openai_text.ask(json.dumps({"model": "m", **request}).encode())


@pytest.mark.parametrize("prompt", ["def add(", ["def add("]])
def test_prompt_is_the_message_and_the_endpoint_is_told(prompt: object) -> None:
    asked = ask(prompt=prompt, temperature=0.2)

    assert asked.messages == (Message(role="user", content="def add("),)
    assert asked.options == {"temperature": 0.2, "endpoint": "completions"}
    assert not asked.background


@pytest.mark.parametrize("prompt", [[1, 2], [[1, 2]], ["a", "b"], "", None, 3])
def test_tokens_and_several_prompts_are_nothing_that_is_recorded(prompt: object) -> None:
    assert ask(prompt=prompt).messages == ()


def test_text_with_a_suffix_is_an_editors() -> None:
    assert ask(prompt="def add(", suffix="return c").background


def test_stream_adds_up_to_its_text() -> None:
    def piece(text: str, finish: str | None = None) -> object:
        return {"id": "c", "choices": [{"index": 0, "text": text, "finish_reason": finish}]}

    reader = AnswerReader(openai_text, answer("text/event-stream"))
    reader.feed(sse(piece("a, "), piece("b)"), piece("", "length")))
    found = reader.finish("complete")

    assert (found.text, found.finish, found.id) == ("a, b)", "length", "c")


def test_whole_completion_is_read() -> None:
    body = {
        "model": "m-1",
        "choices": [{"index": 0, "text": "a, b)", "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }

    reader = AnswerReader(openai_text, answer("application/json"))
    reader.feed(json.dumps(body).encode())
    found = reader.finish("complete")

    assert (found.text, found.finish, found.model) == ("a, b)", "stop", "m-1")
    assert (found.prompt_tokens, found.answer_tokens) == (3, 4)
