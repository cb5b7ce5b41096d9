from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.support.answering import answering

from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.runners.ollama.connection import Connection, OllamaRefusedError


class _Echo(msgspec.Struct):
    size: int
    error: str = ""


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:11434",
        "https://127.0.0.1",
        "http://",
        "ollama",
        "http://a:b",
        "http://[::1",
        "http://a..b:1",
        f"http://{'a' * 64}:1",
        "http://a b:1",
    ],
)
def test_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="http://host:port"):
        Connection(url)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (500, b'{"error":"no space left"}', "no space left"),
        (200, b'{"status":"parsing"}\n{"error":"in a stream"}\n', "in a stream"),
        (502, b"<html>", "no reason given"),
        (502, b'{"error":"\xff"}', "no reason given"),
        (502, b'{"x":' + b"[" * 100_000, "no reason given"),
    ],
)
def test_error_is_told_whatever_its_status(status: int, body: bytes, reason: str) -> None:
    with answering(status, body) as url, pytest.raises(OllamaRefusedError, match=reason) as caught:
        Connection(url).call("POST", "/api/create", {})
    assert (caught.value.status, caught.value.reason) == (status, reason)


@pytest.mark.parametrize("body", [b"hello", b'{"size":1,"error":"\xff"}', b'{"x":' + b"[" * 100_000])
def test_answer_of_another_program_is_told(body: bytes) -> None:
    with answering(200, body) as url:
        connection = Connection(url)
        with pytest.raises(RunnerError, match="does not answer like Ollama"):
            connection.read(connection.call("POST", "/", {}), _Echo)


def test_silence_beyond_the_timeout_is_an_error() -> None:
    with (
        answering(200, b"{}", silent_s=60) as url,
        pytest.raises(RunnerError, match="does not answer") as caught,
    ):
        Connection(url, timeout_s=0.1).call("POST", "/", {})
    assert "ollama serve" in caught.value.hint


def test_file_is_sent_whole_and_a_missing_one_is_told(tmp_path: Path) -> None:
    file = tmp_path / "blob"
    file.write_bytes(b"x" * 3_000_000)
    with answering(200, b'{"size":SIZE}') as url:
        connection = Connection(url)
        content = connection.upload("/api/blobs/x", file)
        assert connection.read(content, _Echo).size == 3_000_000
        with pytest.raises(RunnerError, match=r"absent cannot be read"):
            connection.upload("/api/blobs/x", tmp_path / "absent")
