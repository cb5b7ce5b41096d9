from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tests.runners.embedded.conftest import TOKEN, Running, read_journal
from tests.support.lora import write_lora
from tests.support.rest import Answer, chat, open_stream

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.journal.exchange import Exchange
from laimark_sidecar.runners.embedded.client import EmbeddedRunner
from laimark_sidecar.runners.embedded.serve import serving, serving_service
from laimark_sidecar.runners.embedded.service import Service
from laimark_sidecar.runners.embedded.settings import ServeSettings


def test_stream_says_what_the_whole_answer_says(server: Running) -> None:
    whole = chat(server.url, "demo", "def add(a, b):", max_tokens=20)
    stream = chat(server.url, "demo", "def add(a, b):", max_tokens=20, stream=True)
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.streamed_text() == whole.json()["choices"][0]["message"]["content"]
    reasons = [choice["finish_reason"] for event in stream.events() for choice in event["choices"]]
    assert reasons[-1] == whole.json()["choices"][0]["finish_reason"]
    assert set(reasons[:-1]) == {None}


def test_stream_tells_usage_only_when_asked(server: Running) -> None:
    plain = chat(server.url, "demo", "hi", stream=True)
    asked = chat(server.url, "demo", "hi", stream=True, stream_options={"include_usage": True})
    whole = chat(server.url, "demo", "hi")
    assert not any("usage" in event for event in plain.events())
    assert asked.events()[-1]["usage"] == whole.json()["usage"]
    assert asked.events()[-1]["choices"] == []


def test_streamed_text_is_valid_utf8_in_every_event(server: Running) -> None:
    answer = chat(
        server.url, "demo", "é世🙂", stream=True, temperature=2, seed=1, max_tokens=60, top_k=0, top_p=1
    )
    for event in answer.events():
        json.dumps(event).encode("utf-8")


def test_client_that_hangs_up_leaves_an_aborted_record_and_a_free_server(
    settings: Callable[..., ServeSettings], tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    # Far from any end of turn: only hanging up can end these.
    endless = {"max_tokens": 1000, "temperature": 5, "top_k": 0, "top_p": 1, "seed": 1}
    with serving(settings(journal_folder=journal)) as url:
        connection, lines = open_stream(url, "demo", "streamed", **endless)
        for _ in range(6):
            next(lines)
        connection.close()
        _hang_up_while_it_works(
            url, {**endless, "model": "demo", "messages": [{"role": "user", "content": "whole"}]}
        )
        assert chat(url, "demo", "after").status == 200
    finishes = {
        record.messages[0].content: record.finish
        for record in read_journal(journal)
        if isinstance(record, Exchange)
    }
    assert finishes.pop("after") in ("stop", "length")
    assert finishes == {"streamed": "aborted", "whole": "aborted"}


def _hang_up_while_it_works(url: str, body: dict[str, object]) -> None:
    runner = EmbeddedRunner(url, TOKEN)
    parts = urlsplit(url)
    while True:
        while runner.activity().busy:
            time.sleep(0.01)
        served = runner.activity().served
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        connection.request("POST", "/v1/chat/completions", json.dumps(body).encode())
        while not (now := runner.activity()).busy and now.served == served:
            time.sleep(0.01)
        connection.close()
        if now.busy:
            return  # else a loaded machine looked too late: it had ended, so once more


def test_registering_and_withdrawing_under_streams_harms_none(
    server: Running, adapters: tuple[Path, Path]
) -> None:
    names = ("demo", "me:one")
    expected = {name: chat(server.url, name, "count", max_tokens=30).json() for name in names}
    answers: list[tuple[str, Answer]] = []

    def ask(name: str) -> None:
        for _ in range(4):
            answers.append((name, chat(server.url, name, "count", max_tokens=30, stream=True)))  # noqa: PERF401

    askers = [threading.Thread(target=ask, args=(name,)) for name in names]
    for asker in askers:
        asker.start()
    for _ in range(3):
        server.runner.register("me:passing", adapters[1])
        server.runner.point("me:moving", "me:passing")
        server.runner.point("me:moving", "")
        server.runner.withdraw("me:passing")
    for asker in askers:
        asker.join()
    server.runner.withdraw("me:moving")
    assert len(answers) == 8
    for name, answer in answers:
        assert answer.streamed_text() == expected[name]["choices"][0]["message"]["content"]


def test_failing_generation_is_an_error_not_an_answer(
    settings: Callable[..., ServeSettings], demo_gguf: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    nan = write_lora(demo_gguf, tmp_path / "nan.gguf", value=float("nan"))
    with contextlib.closing(Service(settings(journal_folder=journal), clock=SystemClock())) as service:
        # Past the probe, straight into the engine: a version that goes bad only on some prompts.
        service.engine.register("me:nan", nan).result(20)
        with serving_service(service) as url:
            whole = chat(url, "me:nan", "hi")
            stream = chat(url, "me:nan", "hi", stream=True)
            after = chat(url, "demo", "hi")
    assert whole.status == 500
    assert "not finite" in whole.error()
    assert "not finite" in stream.events()[-1]["error"]["message"]
    assert after.status == 200
    finishes = [record.finish for record in read_journal(journal) if isinstance(record, Exchange)]
    assert finishes[:2] == ["error", "error"]
    assert finishes[2] in ("stop", "length")
