"""Nothing but a clean refusal or a faithful pass, whatever is sent (RFC 9112; the oracle is `echo_upstream`'s reader)."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.echo_upstream import EchoUpstream, echo_upstream
from tests.support.gateway_running import PATIENCE_S, RunningGateway, running_gateway

Both = tuple[EchoUpstream, RunningGateway]
HEAD = b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    with echo_upstream() as upstream, running_gateway(upstream.url) as gateway:
        yield upstream, gateway


REFUSED = {
    "a length and chunks": HEAD
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "chunks and a length": HEAD
    + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "two lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 50\r\n\r\nabc" + SMUGGLED,
    "one length twice": HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": HEAD + b"Content-Length: 3, 3\r\n\r\nabc",
    "a length with a sign": HEAD + b"Content-Length: +3\r\n\r\nabc",
    "a negative length": HEAD + b"Content-Length: -3\r\n\r\nabc",
    "a hexadecimal length": HEAD + b"Content-Length: 0x3\r\n\r\nabc",
    "a length beyond numbers": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
    "no number": HEAD + b"Content-Length: \r\n\r\nabc",
    "chunked twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked is not last": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "a coding nobody knows": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "a vertical tab": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "a space before the colon": HEAD + b"Content-Length : 3\r\n\r\nabc",
    "a folded line": HEAD + b"X-A: b\r\n c\r\nContent-Length: 3\r\n\r\nabc",
    "a folded coding": HEAD + b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 3\r\n\r\nabc",
    "bare line feeds": HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 3\n\nabc",
    "a bare carriage return": HEAD + b"X-A: b\rX-B: c\r\nContent-Length: 3\r\n\r\nabc",
    "a zero byte": HEAD + b"X-A: b\0c\r\nContent-Length: 3\r\n\r\nabc",
    "a name that is none": HEAD + b"X(A: b\r\n\r\n",
    "no name": HEAD + b": b\r\n\r\n",
    "no colon": HEAD + b"foo\r\n\r\n",
    "a header that is not UTF-8": HEAD + b"X-A: \xe4\r\n\r\n",
    "line feed in an extension": CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "line feeds around chunks": CHUNKED + b"3\nabc\n0\n\n",
    "a chunk beyond numbers": CHUNKED + b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
    "a space after a chunk's size": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
    "a chunk's size with 0x": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n",
    "a length among the trailers": CHUNKED + b"3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n",
    "endless trailers": CHUNKED + b"3\r\nabc\r\n0\r\n" + b"X-T: 1\r\n" * 20_000 + b"\r\n",
    "another server's URL": b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a tunnel": b"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "a giant header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"b" * 300_000 + b"\r\n\r\n",
    "a header without an end": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"b" * 300_000,
    "thousands of headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 5_000 + b"\r\n",
    "a giant path": b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a1030300"),
    "no method": b"G@T / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a control character in the path": b"GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a tab in the path": b"GET /a\tb HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_and_nothing_of_it_reaches_upstream(both: Both, request_: bytes) -> None:
    upstream, gateway = both
    upstream.reached.clear()
    answer = gateway.exchange(request_)
    assert re.fullmatch(rb"HTTP/1.[01] (4\d\d|50[15]) ", answer[:13])
    assert len(re.findall(rb"HTTP/1\.[01] \d\d\d ", answer)) == 1
    assert (upstream.reached, upstream.unreadable) == ([], [])


PASSED = {
    "a coding in capitals": (HEAD + b"Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc"),
    "a coding that Connection names": (
        HEAD + b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"abc",
    ),
    "a length that Connection names": (
        HEAD + b"Connection: Content-Length\r\nContent-Length: 3\r\n\r\nabc",
        b"abc",
    ),
    "an extension of a chunk": (CHUNKED + b"3;a=b\r\nabc\r\n0\r\n\r\n", b"abc"),
    "a giant extension": (CHUNKED + b"3;" + b"a" * 300_000 + b"\r\nabc\r\n0\r\n\r\n", b"abc"),
    "leading zeros": (CHUNKED + b"0" * 5_000 + b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
    "trailers": (CHUNKED + b"3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n", b"abc"),
    "a name like a length": (HEAD + b"Content_Length: 50\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    "a body of GET": (HEAD.replace(b"POST", b"GET") + b"Content-Length: 3\r\n\r\nabc", b"abc"),
    "empty lines before": (b"\r\n\r\n" + HEAD + b"\r\n", b""),
    "an expectation nobody knows": (HEAD + b"Expect: tea\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    "a hundred headers": (HEAD + b"X-A: b\r\n" * 100 + b"Content-Length: 3\r\n\r\nabc", b"abc"),
}


@pytest.mark.parametrize(("request_", "body"), PASSED.values(), ids=PASSED.keys())
def test_it_passes_with_one_meaning(both: Both, request_: bytes, body: bytes) -> None:
    upstream, gateway = both
    upstream.reached.clear()
    answer = gateway.exchange(request_)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n" + body)
    (reached,) = upstream.reached
    assert (reached.body, upstream.unreadable) == (body, [])
    assert len(reached.values(b"content-length")) + len(reached.values(b"transfer-encoding")) <= 1


def test_what_was_smuggled_behind_a_refused_request_is_no_request(both: Both) -> None:
    """The connection is closed: what follows could be the body that the refusal did not read."""
    upstream, gateway = both
    upstream.reached.clear()
    foreign = b"POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 5\r\n\r\nabcde"
    answer = gateway.exchange(foreign + SMUGGLED)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert upstream.reached == []


def test_pipelined_requests_are_answered_in_their_order(both: Both) -> None:
    upstream, gateway = both
    upstream.reached.clear()
    bodies = [b"%03d" % number for number in range(100)]
    asked = b"".join(
        b"POST /%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n%s" % (body, body)
        for body in bodies
    )
    answer = gateway.exchange(asked + HEAD + b"\r\n")
    assert re.findall(rb"\r\n\r\n(\d\d\d)", answer) == bodies
    assert [reached.body for reached in upstream.reached] == [*bodies, b""]


def test_parts_of_refused_requests_are_not_logged(both: Both, caplog: pytest.LogCaptureFixture) -> None:
    _, gateway = both
    with caplog.at_level(logging.DEBUG):
        gateway.exchange(CHUNKED + b"my secret words\r\n0\r\n\r\n")
        gateway.exchange(b"GET /my-secret\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        gateway.exchange(HEAD + b"my secret\r\n\r\n")
    assert "secret" not in caplog.text
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


LINES = (
    b"Connection: keep-alive\r\n", b"Connection: upgrade\r\n", b"Upgrade: h2c\r\n", b"Expect: 100-continue\r\n",
    b"X-A: b\r\n", b"X-B:\r\n", b"X-C: " + b"c" * 9_000 + b"\r\n",
)  # fmt: skip
LENGTH, CHUNKS = b"Content-Length: 3\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"
RESTS = (
    b"\r\n", LENGTH + b"abc", LENGTH + b"abc", LENGTH + b"ab", LENGTH + b"abcd", CHUNKS + b"3\r\nabc\r\n0\r\n\r\n",
    CHUNKS + b"3;x=y\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", CHUNKS + b"0\r\nX-T: 1\r\n\r\n", CHUNKS + b"ffff\r\nabc",
)  # fmt: skip
FAULTS = (b"", b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b";", b"\0", b"\xff", b"0", b"-", b"\r\n\r\n")


@st.composite
def _requests(draw: st.DrawFn) -> list[bytes]:
    """One to three requests, each nearly right, of which one place may be wrong."""
    requests = []
    for _ in range(draw(st.integers(1, 3))):
        first = draw(
            st.sampled_from([b"POST /a HTTP/1.1\r\n", b"GET /b HTTP/1.1\r\n", b"PUT /c HTTP/1.0\r\n"])
        )
        lines = draw(st.lists(st.sampled_from(LINES), max_size=2, unique=True))
        requests.append(first + b"Host: localhost\r\n" + b"".join(lines) + draw(st.sampled_from(RESTS)))
    if draw(st.booleans()):
        last = requests[-1]
        place = draw(st.integers(0, len(last)))
        requests[-1] = last[:place] + draw(st.sampled_from(FAULTS)) + last[place + draw(st.integers(0, 2)) :]
    return requests


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=_requests())
def test_whatever_is_sent_arrives_as_it_was_meant_or_not_at_all(both: Both, requests: list[bytes]) -> None:
    upstream, gateway = both
    upstream.reached.clear()
    stream = b"".join(requests)
    with gateway.connect() as client:
        with contextlib.suppress(ConnectionError):  # it need not read on after what it refuses
            for request in requests:
                client.sendall(request)
        # What is not whole is waited for: after a short while, which only decides how much is tried, no more comes.
        client.settimeout(0.05)
        answers = _to_end(client)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)
        client.settimeout(PATIENCE_S)
        answers += _to_end(client)
    assert upstream.unreadable == []
    for reached in upstream.reached:
        method, target, _ = reached.line.split(b" ")
        assert method + b" " + target in stream
        assert _is_spelt_in(reached.body, stream)
        assert len(reached.values(b"content-length")) + len(reached.values(b"transfer-encoding")) <= 1
        assert len(reached.values(b"host")) == 1
    assert len(upstream.reached) <= stream.count(b"HTTP/1.")
    for status in re.findall(rb"HTTP/\d\.\d (\d\d\d)", answers):
        assert status in (b"100", b"200", b"400", b"403", b"501", b"505")
    assert gateway.exchange(HEAD + b"Content-Length: 4\r\n\r\nstay").endswith(b"\r\n\r\nstay")


def _is_spelt_in(body: bytes, stream: bytes) -> bool:
    """Whether the stream holds a body, whole or in its chunks: its bytes in their order, none made up."""
    rest = iter(stream)
    return all(byte in rest for byte in body)


def _to_end(client: socket.socket) -> bytes:
    answers = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        while chunk := client.recv(65536):
            answers += chunk
    return answers
