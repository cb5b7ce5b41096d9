"""From the bytes that passed to a record: cut prompts and cut answers are told where they can be."""

from __future__ import annotations

import json

import pytest
from tests.support.passing import answer, ndjson, request

from laimark_sidecar.errors import DataError
from laimark_sidecar.gateway.dialects.table import DIALECTS
from laimark_sidecar.gateway.exchanges import Answering, Making
from laimark_sidecar.gateway.observing import Head
from laimark_sidecar.journal.exchange import Exchange

MESSAGES = [{"role": "user", "content": "Hi"}]


class Permitting:
    """Permits all models but one."""

    on = True

    def __call__(self, *, model: str, client: str, head: Head, since_s: float) -> bool:
        return model != "secret"


permits = Permitting()


def making(path: str) -> Making:
    return Making(
        dialect=DIALECTS[path],
        head=request(path),
        time_s=1.5,
        permits=permits,
        versions=lambda model: Answering(base_sha256="b", adapter_version=model),
    )


def recorded(path: str, asked: object, head: Head, body: bytes) -> Exchange:
    made = making(path)
    assert made.ask(json.dumps(asked).encode())
    made.answering(head)
    made.answered(body)
    ended = made.end("complete")
    assert ended is not None
    return ended[0]


@pytest.mark.parametrize(("counted", "truncated"), [(4095, False), (4096, True), (4097, True)])
def test_prompt_that_fills_the_context_that_was_asked_for_was_cut(counted: int, truncated: bool) -> None:
    lines = ndjson({"response": "A.", "done": True, "prompt_eval_count": counted})
    asked = {"model": "m", "prompt": "Hi", "options": {"num_ctx": 4096}}

    assert recorded("/api/generate", asked, answer("application/x-ndjson"), lines).truncated is truncated


def test_prompt_is_not_called_cut_where_the_context_is_not_known() -> None:
    lines = ndjson({"response": "A.", "done": True, "prompt_eval_count": 4096})

    assert not recorded(
        "/api/generate", {"model": "m", "prompt": "Hi"}, answer("application/x-ndjson"), lines
    ).truncated


@pytest.mark.parametrize(("most", "finish"), [(5, "length"), (6, "stop"), (None, "stop")])
def test_response_as_long_as_it_may_be_was_cut_though_its_server_calls_it_completed(
    most: int | None, finish: str
) -> None:
    body = {"object": "response", "model": "m", "status": "completed", "usage": {"output_tokens": 5}}
    asked = {"model": "m", "input": "Hi", "max_output_tokens": most}

    found = recorded("/v1/responses", asked, answer("application/json"), json.dumps(body).encode())

    assert found.finish == finish


def test_what_answered_is_looked_up_by_the_name_that_was_asked_for() -> None:
    lines = ndjson({"model": "other", "message": {"content": "A."}, "done": True})

    found = recorded("/api/chat", {"model": "m", "messages": MESSAGES}, answer("application/x-ndjson"), lines)

    assert (found.model, found.base_sha256, found.adapter_version, found.time_s) == ("m", "b", "m", 1.5)


@pytest.mark.parametrize("asked", [{"model": "m"}, {"model": "secret", "messages": MESSAGES}])
def test_nothing_asked_and_nothing_permitted_end_at_the_request(asked: object) -> None:
    made = making("/api/chat")

    assert not made.ask(json.dumps(asked).encode())
    assert made.end("complete") is None


def test_tool_only_and_empty_answers_are_recorded_as_such() -> None:
    call = {"function": {"name": "f", "arguments": {}}}
    asked = {"model": "m", "messages": MESSAGES}
    head = answer("application/x-ndjson")

    tools = recorded("/api/chat", asked, head, ndjson({"message": {"tool_calls": [call]}, "done": True}))
    empty = recorded("/api/chat", asked, head, ndjson({"message": {"content": ""}, "done": True}))

    assert (tools.answer, tools.tool_calls[0].name) == ("", "f")
    assert (empty.answer, empty.tool_calls, empty.finish) == ("", (), "stop")


def test_compressed_request_is_read() -> None:
    import gzip

    made = Making(
        dialect=DIALECTS["/api/chat"],
        head=request("/api/chat", {"content-encoding": "gzip"}),
        time_s=0,
        permits=permits,
        versions=lambda model: Answering(),
    )

    assert made.ask(gzip.compress(json.dumps({"model": "m", "messages": MESSAGES}).encode()))


def test_answer_without_its_head_is_an_error() -> None:
    with pytest.raises(DataError):
        making("/api/chat").answered(b"x")


def test_ids_differ_at_one_moment() -> None:
    assert len({making("/api/chat").id for _ in range(100)}) == 100
