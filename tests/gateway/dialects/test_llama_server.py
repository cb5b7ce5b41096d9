"""llama-server's own completion is read as its README documents it, and what the real one sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.llama_server import needs_llama_server, single_settings, single_started
from tests.support.passing import answer, sse
from tests.support.rest import Answer as Http
from tests.support.rest import call

from laimark_sidecar.gateway.dialects.draft import Answer
from laimark_sidecar.gateway.dialects.llama_server import llama_completion, llama_infill
from laimark_sidecar.gateway.dialects.reading import AnswerReader
from laimark_sidecar.gateway.dialects.table import dialect_of
from laimark_sidecar.gateway.observing import Head
from laimark_sidecar.journal.exchange import Message

LAST = {
    "index": 0,
    "content": "",
    "stop": True,
    "stop_type": "eos",
    "model": "m-1",
    "truncated": False,
    "tokens_evaluated": 7,
    "tokens_predicted": 5,
}


def streamed(*events: object) -> Answer:
    reader = AnswerReader(llama_completion, answer("text/event-stream"))
    reader.feed(sse(*events, last=None))
    return reader.finish("complete")


def test_prompt_is_a_bare_text_and_no_turn() -> None:
    asked = llama_completion.ask(b'{"prompt": "def add(", "n_predict": 9}')

    assert asked.messages == (Message(role="user", content="def add("),)
    assert asked.options == {"max_tokens": 9, "endpoint": "completions"}


def test_infill_is_an_editors() -> None:
    asked = llama_infill.ask(b'{"input_prefix": "def ", "prompt": "add(", "input_suffix": "return c"}')

    assert asked.background
    assert [message.content for message in asked.messages] == ["def add(", "return c"]
    assert asked.options == {"endpoint": "completions"}


def test_stream_adds_up_and_truncation_is_told() -> None:
    found = streamed(
        {"index": 0, "content": "a, ", "stop": False, "tokens_evaluated": 7, "tokens_predicted": 1},
        {"index": 0, "content": "b)", "stop": False, "tokens_evaluated": 7, "tokens_predicted": 2},
        {**LAST, "truncated": True},
    )

    assert found == Answer(
        text="a, b)",
        thinking="",
        tool_calls=(),
        finish="stop",
        prompt_tokens=7,
        answer_tokens=5,
        truncated=True,
        model="m-1",
        id="",
    )


@pytest.mark.parametrize(
    ("kind", "finish"), [("eos", "stop"), ("word", "stop"), ("limit", "length"), ("none", "error")]
)
def test_stop_type_is_the_finish(kind: str, finish: str) -> None:
    assert streamed({**LAST, "stop_type": kind}).finish == finish


# ---- the real one: what a client reads of its answers, with no more than a JSON parser, is what the dialect reads

MESSAGES = [{"role": "user", "content": "Say hello"}]
CHAT = {"messages": MESSAGES, "temperature": 0}
TEXT = {"prompt": "Say hello", "temperature": 0}
REQUESTS: dict[str, dict[str, object]] = {
    "/v1/chat/completions": CHAT,
    "/chat/completions": CHAT,
    "/v1/completions": TEXT,
    "/v1/responses": {"input": "Say hello", "temperature": 0},
    "/v1/messages": CHAT,
    "/completion": TEXT,
    "/completions": TEXT,
}
LIMIT = {"/v1/responses": "max_output_tokens", "/completion": "n_predict", "/completions": "n_predict"}


@pytest.fixture(scope="module")
def url(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = single_settings(tmp_path_factory.mktemp("server"), demo_gguf)
    with single_started(settings):
        yield f"http://127.0.0.1:{settings.port}"


def read_by_client(path: str, body: dict[str, Any]) -> str:
    match path:
        case "/v1/chat/completions" | "/chat/completions":
            return str(body["choices"][0]["message"]["content"])
        case "/v1/completions":
            return str(body["choices"][0]["text"])
        case "/v1/responses":
            return str(body["output"][0]["content"][0]["text"])
        case "/v1/messages":
            return str(body["content"][0]["text"])
        case _:
            return str(body["content"])


def read_by_dialect(path: str, response: Http) -> Answer:
    dialect = dialect_of("POST", path)
    assert dialect is not None
    reader = AnswerReader(dialect, Head(headers=tuple(response.headers.items()), status=response.status))
    reader.feed(response.body)
    return reader.finish("complete")


@needs_llama_server
@pytest.mark.parametrize("path", REQUESTS)
@pytest.mark.parametrize("most", [4, 60])
def test_real_answers_are_read_alike_by_client_and_dialect(url: str, path: str, most: int) -> None:
    asked = {"model": "demo", **REQUESTS[path], LIMIT.get(path, "max_tokens"): most}

    whole = call(url, "POST", path, {**asked, "stream": False})
    stream = call(url, "POST", path, {**asked, "stream": True})

    assert (whole.status, stream.status) == (200, 200)
    found = [read_by_dialect(path, whole), read_by_dialect(path, stream)]
    assert [one.text for one in found] == [read_by_client(path, whole.json())] * 2
    assert found[0].text
    assert {one.finish for one in found} <= {"stop", "length"}
    assert {one.model for one in found} == {"demo"}
    assert len({one.answer_tokens for one in found}) == len({one.prompt_tokens for one in found}) == 1
    assert 0 < found[0].answer_tokens <= most


@needs_llama_server
def test_real_cut_answers_are_cut_on_every_path_that_tells(url: str) -> None:
    for path, request in REQUESTS.items():
        dialect = dialect_of("POST", path)
        assert dialect is not None
        response = call(url, "POST", path, {"model": "demo", **request, LIMIT.get(path, "max_tokens"): 4})
        found = read_by_dialect(path, response)
        assert (found.finish, found.answer_tokens) == ("length" if dialect.tells_length else "stop", 4), path


@needs_llama_server
def test_real_prompt_beyond_the_context_is_refused_and_so_never_recorded(url: str) -> None:
    response = call(
        url, "POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "x " * 3000}]}
    )

    assert response.status == 400
    assert json.loads(response.body)["error"]["type"] == "exceed_context_size_error"
