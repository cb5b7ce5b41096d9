from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

import pytest
from tests.runners.embedded.conftest import Running
from tests.support.rest import call

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.runners.embedded.serve import serving_service
from laimark_sidecar.runners.embedded.service import Service
from laimark_sidecar.runners.embedded.settings import ServeSettings


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("POST", "/v1/embeddings", 404),
        ("GET", "/v1/chat/completions", 405),
        ("PATCH", "/health", 405),
    ],
)
def test_unknown_route_has_the_error_shape_of_openai(
    server: Running, method: str, path: str, status: int
) -> None:
    answer = call(server.url, method, path, b"")
    assert answer.status == status
    assert path in answer.error()


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[1, 2]", b"[" * 50_000])
def test_malformed_json_is_a_400(server: Running, body: bytes) -> None:
    answer = call(server.url, "POST", "/v1/chat/completions", body)
    assert answer.status == 400
    assert "not acceptable" in answer.error()


def test_bug_is_a_500_without_a_traceback_and_the_log_has_it(
    settings: Callable[..., ServeSettings], caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Service):
        def chat_tokens(self, messages: object, *, reference: bool = False) -> list[int]:
            raise ZeroDivisionError("a secret prompt")

    service = Broken(settings(), clock=SystemClock())
    body = {"model": "demo", "messages": [{"role": "user", "content": "x"}]}
    with contextlib.closing(service), serving_service(service) as url, caplog.at_level(logging.ERROR):
        answer = call(url, "POST", "/v1/chat/completions", body)
        assert answer.status == 500
        assert answer.error() == "internal error; the server's log has the traceback"
        assert call(url, "GET", "/health").status == 200
    assert "ZeroDivisionError" in caplog.text
