from __future__ import annotations

import json

import pytest
from tests.support.gateway_running import Keeping, running_gateway
from tests.support.raw_upstream import Call, length_of, raw_upstream

ASK = b"POST /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"


def _answer_to(answer: bytes, request: bytes = ASK) -> tuple[bytes, list[str]]:
    """Return what a client gets when upstream answers these bytes and closes, and how it ended for the observer."""

    def behave(call: Call) -> None:
        call.body(length_of(call.head))
        call.send(answer)

    keeping = Keeping()
    with raw_upstream(behave) as upstream, running_gateway(upstream.url, observer=keeping) as gateway:
        return gateway.exchange(request), [*keeping.last().endings]


def test_no_header_is_made_up_but_the_date() -> None:
    answer, endings = _answer_to(b"HTTP/1.1 200 Fine\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nok")
    head, _, body = answer.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n")]
    assert names == [
        b"HTTP/1.1 200 Fine",
        b"X-A",
        b"Content-Length",
        b"X-Laimark-Seen",
        b"Date",
        b"Connection",
    ]
    assert (body, endings) == (b"ok", ["complete"])


def test_upstreams_own_headers_stay() -> None:
    more = b"Server: up\r\nDate: today\r\nContent-Type: x/y\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nX-A: \xc3\xa4\r\n"
    answer, _ = _answer_to(b"HTTP/1.1 200 OK\r\n" + more + b"Content-Length: 2\r\n\r\nok")
    assert b"HTTP/1.1 200 OK\r\n" + more in answer


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_interim_answers_are_skipped(interim: bytes) -> None:
    answer, endings = _answer_to(
        b"HTTP/1.1 %s\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" % interim
    )
    assert (answer.split()[1], answer[-2:], endings) == (b"200", b"ok", ["complete"])


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n"),
    ],
)
def test_answers_without_a_body_have_none(method: bytes, answer: bytes) -> None:
    got, endings = _answer_to(
        answer, method + b" /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert got.startswith(answer.split(b"\r\n")[0])
    assert (got.partition(b"\r\n\r\n")[2], endings) == (b"", ["complete"])


def test_a_head_keeps_the_length_of_what_it_stands_for() -> None:
    got, _ = _answer_to(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        b"HEAD /api/blobs/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    assert b"\r\nContent-Length: 100\r\n" in got


def test_a_redirection_is_the_clients() -> None:
    answer, _ = _answer_to(
        b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\n")


def test_an_answer_that_ends_with_the_connection_ends_whole() -> None:
    answer, endings = _answer_to(b"HTTP/1.0 200 OK\r\n\r\nok")
    assert answer.endswith(b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    assert endings == ["complete"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    ],
)
def test_a_half_answer_does_not_look_like_a_whole_one(answer: bytes) -> None:
    got, endings = _answer_to(answer)
    assert b"200 OK" in got
    assert not got.endswith(b"0\r\n\r\n")
    assert endings == ["failed"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nX-A: \xe4\r\nContent-Length: 2\r\n\r\nok", "answers oddly"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "answers oddly"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "no HTTP/1.1"),
        (b"secret words\r\n\r\n", "no HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n", "no HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nX", "closed the connection"),
        (b"", "closed the connection"),
    ],
)
def test_an_answer_that_cannot_be_passed_is_told_without_its_bytes(answer: bytes, message: str) -> None:
    got, endings = _answer_to(answer)
    assert got.startswith(b"HTTP/1.1 502 ")
    told = json.loads(got.partition(b"\r\n\r\n")[2])["error"]["message"]
    assert message in told
    assert "secret" not in told
    assert endings == ["failed"]
