from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support import llama_server, rest
from tests.support.answering import answering
from tests.support.homes import free_port, only_version
from tests.support.ollama_homes import BASE, beside
from tests.support.processes import started, wait_until

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import discovery as module
from laimark_sidecar.pipeline.discovery import discover
from laimark_sidecar.pipeline.promote import promote

NOWHERE = {"OLLAMA_HOST": "127.0.0.1:1", "PATH": ""}


def test_on_a_bare_machine_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LLAMA_SERVER_URL", "http://127.0.0.1:1")
    assert discover(NOWHERE) == ()
    assert discover(NOWHERE | {"OLLAMA_HOST": "a:b"}) == ()


@pytest.mark.parametrize(
    "props",
    [b'{"model_path":"/' + b"a" * 5000 + b'"}', rb'{"model_path":"/a\u0000b"}', b'{"model_path":"\xff"}'],
)
def test_whatever_another_program_says_where_llama_server_listens_is_no_model(
    props: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "llama-server"
    program.touch(0o755)
    with answering(200, props) as url:
        monkeypatch.setattr(module, "LLAMA_SERVER_URL", url)
        (found,) = discover(NOWHERE | {llama_server.VARIABLE: str(program)})
    assert (found.kind, found.models) == ("llama-server", ())


@llama_server.needs_llama_server
def test_a_llama_server_is_found_and_what_it_runs(
    demo_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = os.environ[llama_server.VARIABLE]
    place = NOWHERE | {llama_server.VARIABLE: binary}
    port = free_port()
    monkeypatch.setattr(module, "LLAMA_SERVER_URL", f"http://127.0.0.1:{port}")
    (found,) = discover(place)
    assert (found.kind, found.models) == ("llama-server", ())
    assert binary in found.what
    arguments = [binary, "-m", str(demo_gguf), "--port", str(port), "-t", "1", "-c", "256"]
    with started(arguments, tmp_path / "server.log"):
        wait_until(lambda: _is_ready(port), "it answers", log=tmp_path / "server.log")
        (found,) = discover(place)
    assert found.models == (str(demo_gguf),)
    assert f"one runs at http://127.0.0.1:{port}" in found.what


def _is_ready(port: int) -> bool:
    try:
        return rest.call(f"http://127.0.0.1:{port}", "GET", "/health").status == 200
    except OSError:
        return False


def test_an_ollama_is_found_with_the_models_that_are_not_ours(
    trained_home: Home, demo_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LLAMA_SERVER_URL", "http://127.0.0.1:1")
    with beside(trained_home, demo_gguf, "0.33.0") as (workshop, server):
        promote(workshop, only_version(workshop))
        place = NOWHERE | {"OLLAMA_HOST": server.url}
        (found,) = discover(place)
        assert (found.kind, found.models) == ("ollama", (f"{BASE}:latest",))
        assert "0.33.0" in found.what
        assert server.pulls() == []
