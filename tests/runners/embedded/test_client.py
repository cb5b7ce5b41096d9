from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runners.embedded.conftest import TOKEN, Running
from tests.support.answering import answering

from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.embedded.client import EmbeddedRunner
from laimark_sidecar.runners.embedded.settings import ServeSettings
from laimark_sidecar.runners.runner import Capabilities, Runner

QUESTION = (Message(role="user", content="hello"),)


def test_it_is_a_runner_that_can_do_everything(server: Running) -> None:
    runner: Runner = server.runner
    assert runner.capabilities() == Capabilities(
        adapters=True,
        logprobs=True,
        hot_register=True,
        switch_per_request=True,
        renders=True,
        records=True,
    )


def test_base_is_that_of_the_file_being_served(server: Running, demo_gguf: Path) -> None:
    assert server.runner.base().sha256 == sha256_file(demo_gguf)


def test_register_point_and_withdraw(server: Running, adapters: tuple[Path, Path]) -> None:
    runner = server.runner
    runner.register("me:two", adapters[1])
    runner.register("me:two", adapters[1])
    runner.point("me:latest", "me:two")
    assert runner.names()["me:latest"] == "me:two"
    two = runner.generate("me:latest", QUESTION, max_tokens=8)
    assert two.text == runner.generate("me:two", QUESTION, max_tokens=8).text
    runner.point("me:latest", "")
    assert runner.generate("me:latest", QUESTION, max_tokens=8) == runner.generate(
        "demo", QUESTION, max_tokens=8
    )
    runner.withdraw("me:two")
    runner.withdraw("me:latest")
    runner.withdraw("me:latest")
    assert not {"me:two", "me:latest"} & set(runner.names())


def test_generated_tokens_have_ordered_alternatives(server: Running) -> None:
    reply = server.runner.generate("demo", QUESTION, max_tokens=4, logprobs=20)
    assert reply.tokens
    for token in reply.tokens:
        assert len(token.top) == 20
        assert token.top[0] == (token.token, token.logprob)
    assert server.runner.generate("demo", QUESTION, max_tokens=4).tokens == ()


def test_nothing_that_the_sidecar_asks_is_recorded(server: Running) -> None:
    server.runner.generate("demo", QUESTION, max_tokens=2)
    assert server.exchanges("laimark-sidecar") == []


def test_activity_counts_answers(server: Running) -> None:
    before = server.runner.activity()
    server.runner.generate("demo", QUESTION, max_tokens=2)
    after = server.runner.activity()
    assert after.served == before.served + 1
    assert not after.busy
    assert server.runner.pid() > 0


def test_refusal_carries_the_servers_own_words(server: Running, tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="served names: demo"):
        server.runner.generate("llama3", QUESTION, max_tokens=1)
    garbage = tmp_path / "garbage.gguf"
    garbage.write_bytes(b"garbage")
    with pytest.raises(RunnerError, match=r"is not served: llama\.cpp refuses"):
        server.runner.register("me:bad", garbage)
    with pytest.raises(RunnerError, match="cannot be withdrawn"):
        server.runner.withdraw("demo")
    with pytest.raises(RunnerError, match="cannot be read"):
        server.runner.register("me:bad", tmp_path / "none.gguf")


def test_wrong_token_is_told(server: Running) -> None:
    with pytest.raises(RunnerError, match="HTTP 401"):
        EmbeddedRunner(server.url, "x" + TOKEN).names()


def test_absent_server_says_how_to_start_it() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RunnerError) as caught:
        EmbeddedRunner(f"http://127.0.0.1:{port}", "").names()
    assert caught.value.hint == "start it with: laimark-sidecar serve"


def test_silent_server_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        runner = EmbeddedRunner(f"http://127.0.0.1:{silent.getsockname()[1]}", "", timeout_s=0.1)
        with pytest.raises(RunnerError, match="does not answer"):
            runner.names()


@pytest.mark.parametrize("body", [b"hello", b'{"choices": []}', b'{"x": ' + b"[" * 100_000])
def test_another_program_at_its_address_is_told(body: bytes) -> None:
    with answering(200, body) as url, pytest.raises(RunnerError, match="like an embedded runner"):
        EmbeddedRunner(url, "").generate("demo", QUESTION, max_tokens=1)


@pytest.mark.parametrize("body", [b"hello", b'{"error": {"message": "\xff"}}', b'{"x": ' + b"[" * 100_000])
def test_an_error_page_of_another_program_is_told_by_its_status(body: bytes) -> None:
    with answering(502, body) as url, pytest.raises(RunnerError, match="HTTP 502"):
        EmbeddedRunner(url, "").names()


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1",
        "127.0.0.1:1",
        "",
        "http://",
        "http://[::1",
        "http://a..b:1",
        f"http://{'a' * 64}:1",
        "http://a b:1",
    ],
)
def test_url_of_another_kind_is_refused(url: str, settings: Callable[..., ServeSettings]) -> None:
    with pytest.raises(ConfigError):
        EmbeddedRunner(url, "")
