"""The gateway in front of every kind of runner: what it answers reaches the client, and the journal has it once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import ollama
import pytest
from tests.support.gateway_home import (
    Front,
    in_front_of_embedded_runner,
    in_front_of_own_server,
    in_front_of_router,
)
from tests.support.homes import copy_home, opened, reconfigure
from tests.support.llama_server import needs_llama_server
from tests.support.processes import wait_until
from tests.support.rest import call, chat, open_stream

from laimark_sidecar.journal.exchange import Exchange
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.connect import runner_url

QUESTION = "Complete the code:\n```python\ndef amber_basalt(cedar):\n```"


def test_what_the_embedded_runner_answers_is_recorded_once_by_itself_with_the_clients_name(
    ready_home: Home,
) -> None:
    reconfigure(ready_home, "runner", context=8192)  # the stream is to outlast the questions about it
    with in_front_of_embedded_runner(ready_home) as front:
        known = {one.id for one in front.records()}
        direct = chat(front.direct, "base", QUESTION, {"X-Laimark-Record": "off"}).json()
        through = chat(front.url, "base", QUESTION, {"User-Agent": "zed/1.2"}).json()
        assert through["choices"] == direct["choices"]
        connection, lines = open_stream(front.url, "base", QUESTION, max_tokens=6000, ignore_eos=True)
        with contextlib.closing(connection):
            assert next(lines)
            with front.held():
                assert front.activity().busy
                connection.close()
        wait_until(lambda: not front.activity().busy, "the client's end is seen")
        wait_until(lambda: len(front.records()) == len(known) + 2, "the runner has written both")
        first, second = (one for one in front.records() if one.id not in known)
    assert isinstance(first, Exchange)
    assert (first.source, first.client, first.answer) == (
        "embedded",
        "zed/1.2",
        direct["choices"][0]["message"]["content"],
    )
    assert isinstance(second, Exchange)
    assert (second.source, second.finish) == ("embedded", "aborted")


@needs_llama_server
@pytest.mark.timeout(240)
def test_of_a_router_every_answer_is_recorded_with_the_version_that_gave_it(trained_home: Home) -> None:
    with in_front_of_router(trained_home) as front:
        refs = opened(trained_home).registry.refs()
        for model, version in (("me:latest", refs["latest"]), ("base", "")):
            direct = chat(front.direct, model, QUESTION).json()["choices"][0]["message"]["content"]
            with front.recording(1) as found:
                told = chat(front.url, model, QUESTION).json()["choices"][0]["message"]["content"]
            (one,) = found
            assert (told, one.answer) == (direct, direct)
            assert (one.model, one.adapter_version) == (model, version)


@pytest.fixture(scope="module")
def before_both(
    trained_root: Path, demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    home = copy_home(trained_root, tmp_path_factory.mktemp("own-server") / "home")
    reconfigure(home, "replay", quarantine_hours=0.0)
    with in_front_of_own_server(home, demo_gguf) as front:
        yield front


@needs_llama_server
@pytest.mark.timeout(240)
def test_a_tuned_name_is_answered_by_our_server_and_the_base_by_ollama(before_both: Front) -> None:
    front = before_both
    workshop = opened(front.home)
    ours = runner_url(workshop.config)
    tuned = chat(ours, "me:latest", QUESTION).json()["choices"][0]["message"]["content"]
    with front.recording(1) as found:
        told = chat(front.url, "me:latest", QUESTION).json()["choices"][0]["message"]["content"]
    assert told == tuned
    (one,) = found
    assert (one.model, one.answer, one.adapter_version) == (
        "me:latest",
        tuned,
        workshop.registry.refs()["latest"],
    )
    base = chat(front.direct, "demo", QUESTION).json()["choices"][0]["message"]["content"]
    with front.recording(1) as found:
        assert chat(front.url, "demo", QUESTION).json()["choices"][0]["message"]["content"] == base
    assert (found[0].model, found[0].answer, found[0].adapter_version) == ("demo", base, "")


@needs_llama_server
@pytest.mark.timeout(240)
def test_ollamas_own_client_is_told_where_a_tuned_name_is_answered(before_both: Front) -> None:
    front = before_both
    asked = [{"role": "user", "content": QUESTION}]
    with contextlib.closing(ollama.Client(host=front.url)) as client:
        with front.recording(0), pytest.raises(ollama.ResponseError, match="/v1/chat/completions") as caught:
            client.chat("me:latest", asked)
        assert caught.value.status_code == 400
        with front.recording(1):
            assert client.chat("demo", asked, options={"num_predict": 4}).message.content is not None


@needs_llama_server
@pytest.mark.timeout(240)
def test_uploads_pass_and_a_pull_ends_as_it_does_without_a_gateway(
    before_both: Front, tmp_path: Path
) -> None:
    front = before_both
    (tmp_path / "adapter").write_bytes(bytes(range(256)) * 8192)
    with (
        contextlib.closing(ollama.Client(host=front.url)) as through,
        contextlib.closing(ollama.Client(host=front.direct)) as direct,
        front.recording(0),
    ):
        digest = through.create_blob(tmp_path / "adapter")
        assert call(front.direct, "HEAD", f"/api/blobs/{digest}").status == 200
        endings = []
        for client in (through, direct):
            with pytest.raises(ollama.ResponseError) as caught:
                client.pull("nobody-has-this")
            endings.append((caught.value.status_code, caught.value.error))
        assert endings[0] == endings[1]
