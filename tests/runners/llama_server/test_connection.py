from __future__ import annotations

import socket

import pytest

from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.runners.llama_server.connection import Connection


def test_an_absent_server_says_how_to_start_it() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RunnerError) as caught:
        Connection(f"http://127.0.0.1:{port}", timeout_s=1).call("GET", "/models")
    assert caught.value.hint == "start it with: laimark-sidecar runner start"


def test_a_silent_server_is_given_up_and_a_restart_advised() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        server = Connection(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.1)
        with pytest.raises(RunnerError, match="does not answer") as caught:
            server.call("GET", "/models")
    assert "runner stop" in caught.value.hint


@pytest.mark.parametrize("content", [b"<html>", b'{"a": "\xff"}', b'{"a": ' + b"[" * 100_000])
def test_something_else_is_told_from_llama_server(content: bytes) -> None:
    server = Connection("http://127.0.0.1:1", timeout_s=1)
    with pytest.raises(RunnerError, match="like llama-server"):
        server.read(content, dict[str, object])


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
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        Connection(url, timeout_s=1)
