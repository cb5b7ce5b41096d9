from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest
from tests.runners.embedded.conftest import TOKEN, Running
from tests.support.rest import call

from laimark_sidecar.runners.embedded.guard import (
    MAX_BODY_BYTES,
    host_allowed,
    is_administrator,
    origin_allowed,
    refuse,
)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:11437",
        "127.0.0.1:80",
        "[::1]:11437",
        "192.168.1.5",
        "app.localhost",
        "my-box:1",
    ],
)
def test_own_names_and_addresses_are_allowed(host: str) -> None:
    assert host_allowed(host, "my-box")


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "[bad", "a b"]
)
def test_names_that_others_control_are_not(host: str) -> None:
    assert not host_allowed(host, "127.0.0.1")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:3000", True),
        ("https://127.0.0.1", True),
        ("http://[::1]:8080", True),
        ("vscode-webview://abc", True),
        ("app://obsidian.md", True),
        ("https://evil.example", False),
        ("http://192.168.1.5", False),
        ("null", False),
        ("", False),
    ],
)
def test_only_pages_of_this_machine_may_ask(origin: str, allowed: bool) -> None:
    assert origin_allowed(origin, "127.0.0.1") == allowed


def test_foreign_host_and_origin_are_403(server: Running) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
        answer = call(server.url, "GET", "/v1/models", headers=headers)
        assert answer.status == 403
        assert "evil.example" in answer.error()
    assert refuse({"host": "localhost"}, "127.0.0.1") is None


def test_administrator_is_who_has_the_token() -> None:
    assert is_administrator({"authorization": "bearer s3cret"}, "s3cret")
    for wrong in ("", "Bearer", "Bearer x", "Basic s3cret", "Bearer s3cret2"):
        assert not is_administrator({"authorization": wrong}, "s3cret")
    assert not is_administrator({"authorization": "Bearer "}, "")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/laimark/state"),
        ("PUT", "/laimark/adapters/me:x"),
        ("DELETE", "/laimark/adapters/me:x"),
        ("PUT", "/laimark/names/me:x"),
        ("DELETE", "/laimark/names/me:x"),
    ],
)
def test_every_administrative_call_needs_the_token(server: Running, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": f"Bearer {TOKEN}x"}):
        answer = call(server.url, method, path, {}, headers)
        assert answer.status == 401
        assert "Bearer" in answer.error()


def test_body_above_the_limit_is_413_before_it_is_sent(server: Running) -> None:
    parts = urlsplit(server.url)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_chunked_body_above_the_limit_is_413(server: Running) -> None:
    parts = urlsplit(server.url)
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as connection:
        connection.sendall(head)
        try:
            for _ in range(9):
                connection.sendall(chunk)
        except OSError:
            pass  # it may hang up while we still send
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")
