from __future__ import annotations

import socket
from pathlib import Path

import pytest
from tests.runners.llama_server.conftest import Running
from tests.support.llama_server import needs_llama_server

from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.runners.llama_server.router import RefusedError, Router, listed


@needs_llama_server
def test_sections_are_listed_with_their_aliases_and_their_base(running: Running, demo_gguf: Path) -> None:
    models = Router(running.settings.url, timeout_s=10).models()
    one = listed(models, "me:one")
    assert one is not None
    assert one == listed(models, "me~one")
    assert one.model == demo_gguf
    assert not one.running
    assert listed(models, "me") is None


@needs_llama_server
def test_a_refusal_carries_the_servers_own_words(running: Running) -> None:
    router = Router(running.settings.url, timeout_s=10)
    with pytest.raises(RefusedError, match="'nobody' not found") as caught:
        router.get("/metrics", "nobody")
    assert caught.value.status == 400
    with pytest.raises(RefusedError, match="not loaded"):
        router.get("/metrics", "me:one")


def test_an_absent_server_says_how_to_start_it() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RunnerError) as caught:
        Router(f"http://127.0.0.1:{port}", timeout_s=1).models()
    assert caught.value.hint == "start it with: laimark-sidecar runner start"


def test_a_silent_server_is_given_up_and_a_restart_advised() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        router = Router(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.1)
        with pytest.raises(RunnerError, match="does not answer") as caught:
            router.models()
    assert "runner stop" in caught.value.hint


def test_something_else_is_told_from_a_router() -> None:
    router = Router("http://127.0.0.1:1", timeout_s=1)
    with pytest.raises(RunnerError, match="like llama-server in router mode"):
        router.read(b"<html>", dict[str, str])


@pytest.mark.parametrize("url", ["https://127.0.0.1", "127.0.0.1:1", "", "http://"])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        Router(url, timeout_s=1)
