from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.runners.embedded.conftest import TOKEN, Running
from tests.support.rest import call, chat

from laimark_sidecar.runners.embedded.inference import exchange_id_of
from laimark_sidecar.runners.embedded.serve import serving
from laimark_sidecar.runners.embedded.settings import ServeSettings


def test_models_lists_every_name(server: Running) -> None:
    listed = [entry["id"] for entry in call(server.url, "GET", "/v1/models").json()["data"]]
    assert listed[0] == "demo"
    assert {"me:one", "me:fixed"} <= set(listed)


def test_health_answers_without_a_token(server: Running) -> None:
    assert call(server.url, "GET", "/health").json() == {"status": "ok"}


def test_name_chooses_the_adapter_and_the_base_returns_unchanged(server: Running) -> None:
    fields: dict[str, Any] = {"logprobs": True, "top_logprobs": 5}
    before = chat(server.url, "demo", "hi", **fields).json()["choices"]
    tuned = chat(server.url, "me:one", "hi", **fields)
    pointed = chat(server.url, "me:fixed", "hi", **fields)
    after = chat(server.url, "demo", "hi", **fields).json()["choices"]
    assert tuned.json()["choices"] == pointed.json()["choices"] != before
    assert after == before
    assert tuned.headers["x-laimark-version"] == pointed.headers["x-laimark-version"] == "me:one"


def test_exchange_is_recorded_as_it_was(server: Running) -> None:
    answer = chat(server.url, "me:fixed", "hé", {"User-Agent": "recorded/1.0 (more)"}, seed=4).json()
    (record,) = server.exchanges("recorded/1.0")
    assert "chatcmpl-" + record.id == answer["id"]
    assert record.answer == answer["choices"][0]["message"]["content"]
    assert (record.model, record.adapter_version) == ("me:fixed", "me:one")
    assert record.base_sha256 == server.runner.base().sha256
    assert [(message.role, message.content) for message in record.messages] == [("user", "hé")]
    assert record.finish == answer["choices"][0]["finish_reason"]
    assert record.prompt_tokens == answer["usage"]["prompt_tokens"]
    assert record.answer_tokens == answer["usage"]["completion_tokens"]
    assert record.options == {"temperature": 0, "seed": 4, "max_tokens": 12}


def test_stream_is_recorded_under_the_id_that_its_events_bear(server: Running) -> None:
    answer = chat(server.url, "demo", "hi", {"User-Agent": "streamed"}, stream=True)
    (record,) = server.exchanges("streamed")
    assert {event["id"] for event in answer.events()} == {"chatcmpl-" + record.id}
    assert record.answer == answer.streamed_text()


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Laimark-Record": "off"},
        {"X-Laimark-Record": " OFF "},
        {"X-Laimark-Record": "False"},
        {"X-Laimark-Record": "0"},
        {"X-Laimark-Record": "no"},
        {"X-Laimark-Record": "never"},
        {"X-Laimark-Record": "on, off"},
        {"Authorization": f"Bearer {TOKEN}"},
    ],
)
def test_what_is_declined_or_asked_by_the_sidecar_is_not_recorded(
    server: Running, headers: dict[str, str]
) -> None:
    assert chat(server.url, "demo", "private", headers | {"User-Agent": "declined"}).status == 200
    assert server.exchanges("declined") == []


def test_recording_can_be_off_for_the_whole_server(
    settings: Callable[..., ServeSettings], tmp_path: object
) -> None:
    with serving(settings(journal_folder=tmp_path, record=False)) as url:
        assert chat(url, "demo", "hi").status == 200


def test_completion_continues_plain_text(server: Running) -> None:
    body = {"model": "demo", "prompt": "def add(", "max_tokens": 6, "temperature": 0, "logprobs": 2}
    answer = call(server.url, "POST", "/v1/completions", body, {"User-Agent": "completing"}).json()
    assert answer["object"] == "text_completion"
    assert answer["id"].startswith("cmpl-")
    assert "".join(answer["choices"][0]["logprobs"]["tokens"]).startswith(answer["choices"][0]["text"])
    (record,) = server.exchanges("completing")
    assert record.options["endpoint"] == "completions"
    stream = call(server.url, "POST", "/v1/completions", body | {"stream": True, "logprobs": None})
    assert "".join(event["choices"][0]["text"] for event in stream.events()) == answer["choices"][0]["text"]


def test_seed_repeats_a_sampled_answer(server: Running) -> None:
    sampled = [
        chat(server.url, "demo", "hi", temperature=1, seed=5).json()["choices"][0]["message"]
        for _ in range(2)
    ]
    assert sampled[0] == sampled[1]


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"model": "llama3"}, 404, "served names: demo"),
        ({"messages": []}, 400, "at least one message"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "robot"),
        ({"n": 3}, 400, "n must be 1"),
        ({"max_tokens": "many"}, 400, "max_tokens"),
        ({"messages": [{"role": "user", "content": "word " * 3000}]}, 400, "the context holds 1024"),
    ],
)
def test_unusable_request_is_refused_with_the_reason(
    server: Running, fields: dict[str, object], status: int, says: str
) -> None:
    body = {"model": "demo", "messages": [{"role": "user", "content": "hi"}]} | fields
    answer = call(server.url, "POST", "/v1/chat/completions", body)
    assert answer.status == status
    assert says in answer.error()


def test_id_of_a_completion_names_its_exchange() -> None:
    assert exchange_id_of("chatcmpl-ab") == exchange_id_of("cmpl-ab") == exchange_id_of("ab") == "ab"
