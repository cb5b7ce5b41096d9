from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.support.echo_upstream import EchoUpstream, echo_upstream
from tests.support.gateway_running import RunningGateway, running_gateway

Both = tuple[EchoUpstream, RunningGateway]


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    with echo_upstream() as upstream, running_gateway(upstream.url) as gateway:
        yield upstream, gateway


def _refusal(both: Both, request: bytes) -> tuple[int, str]:
    """Return the status and message of a refusal; nothing may have reached the upstream."""
    upstream, gateway = both
    upstream.reached.clear()
    head, _, body = gateway.exchange(request).partition(b"\r\n\r\n")
    assert upstream.reached == []
    return int(head.split()[1]), json.loads(body)["error"]["message"]


def test_a_coded_body_is_refused_because_the_coding_would_be_lost(both: Both) -> None:
    request = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    )
    assert _refusal(both, request) == (501, "the gateway takes no Transfer-Encoding but chunked")


def test_chunks_of_http_1_0_are_refused(both: Both) -> None:
    request = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    assert _refusal(both, request) == (400, "a request of HTTP/1.0 has no Transfer-Encoding")


@pytest.mark.parametrize("line", [b"GET / HTTP/2.0", b"GET /"])
def test_other_versions_are_refused(both: Both, line: bytes) -> None:
    status, _ = _refusal(both, line + b"\r\nHost: localhost\r\n\r\n")
    assert status == 505


def test_a_websocket_is_refused_clearly(both: Both) -> None:
    request = (
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    status, message = _refusal(both, request)
    assert (status, "WebSockets" in message) == (501, True)


def test_an_offer_of_http_2_is_left_alone_and_the_body_passes(both: Both) -> None:
    """What Java's client sends with every first request."""
    upstream, gateway = both
    upstream.reached.clear()
    answer = gateway.exchange(
        b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: 3\r\n\r\nabc"
    )
    assert answer.endswith(b"\r\n\r\nabc")
    (reached,) = upstream.reached
    assert reached.body == b"abc"
    assert reached.values(b"upgrade") == reached.values(b"http2-settings") == []


@pytest.mark.parametrize("host", ["localhost,evil.example", "evil.example@localhost", "localhost/evil"])
def test_a_host_that_only_begins_or_ends_well_is_refused(both: Both, host: str) -> None:
    status, _ = _refusal(both, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert status in (400, 403)
