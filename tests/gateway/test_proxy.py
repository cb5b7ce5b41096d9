from __future__ import annotations

import gzip
import json
import socket
import threading
import time

import pytest
from tests.support.gateway_running import PATIENCE_S, Keeping, RunningGateway, running_gateway
from tests.support.raw_upstream import Call, answering, length_of, raw_upstream

from laimark_sidecar.gateway.observing import Head, Observation, Route
from laimark_sidecar.gateway.proxy import HELD_BYTES
from laimark_sidecar.gateway.settings import GatewaySettings

ASK = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'


def request(target: str = "/api/chat", *, method: str = "POST", body: bytes = ASK, more: str = "") -> bytes:
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def test_request_and_answer_pass_as_they_are() -> None:
    keeping = Keeping()
    with (
        raw_upstream(answering(b'{"ok":1}')) as upstream,
        running_gateway(upstream.url, observer=keeping) as gateway,
    ):
        answer = gateway.exchange(
            request(
                "/api/chat?x=%2F..%2f&y=a%20b", more="X-Odd: a\r\nX-Odd: b\r\nAuthorization: Bearer k\r\n"
            )
        )
    assert (status_of(answer), body_of(answer)) == (200, b'{"ok":1}')
    sent = upstream.calls[0].head
    assert sent.startswith(b"POST /api/chat?x=%2F..%2f&y=a%20b HTTP/1.1\r\n")
    assert b"X-Odd: a\r\n" in sent
    assert b"X-Odd: b\r\n" in sent
    assert b"Authorization: Bearer k" in sent
    assert f"Host: 127.0.0.1:{upstream.port}".encode() in sent
    assert upstream.calls[0].rest == ASK
    seen = keeping.last()
    assert (seen.asked_bytes, seen.answered_bytes, seen.endings) == (ASK, b'{"ok":1}', ["complete"])
    assert b"X-Laimark-Seen: yes" in answer


@pytest.mark.parametrize("target", ["/a/../b", "//c", "/d/./e", "/%41?q=%zz&%C3%A4", "/x;y=1,2@host:3"])
def test_no_path_is_made_prettier(target: str) -> None:
    with raw_upstream(answering(b"")) as upstream, running_gateway(upstream.url) as gateway:
        answer = gateway.exchange(request(target))
    assert status_of(answer) == 200
    assert upstream.calls[0].head.startswith(f"POST {target} HTTP/1.1\r\n".encode())


def test_headers_of_one_connection_do_not_pass() -> None:
    more = (
        "Connection: X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\nUpgrade: h2c\r\n"
    )
    with raw_upstream(answering(b"")) as upstream, running_gateway(upstream.url) as gateway:
        gateway.exchange(request(more=more))
    sent = upstream.calls[0].head.lower()
    for name in (b"x-private", b"keep-alive:", b"te:", b"upgrade"):
        assert name not in sent


def test_each_piece_is_passed_on_while_the_next_is_not_there_yet() -> None:
    go_on = threading.Event()

    def behave(call: Call) -> None:
        call.body(length_of(call.head))
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        assert go_on.wait(PATIENCE_S)
        call.send(b"3\r\ntwo\r\n0\r\n\r\n")

    with (
        raw_upstream(behave) as upstream,
        running_gateway(upstream.url) as gateway,
        gateway.connect() as client,
    ):
        client.sendall(request())
        received = b""
        while b"one" not in received:
            received += client.recv(65536)
        go_on.set()
        while b"two" not in received:
            received += client.recv(65536)


@pytest.mark.parametrize("later", [b"0\r\n\r\n", b"3\r\ntwo\r\n0\r\n\r\n"])
def test_the_end_of_a_chunked_request_is_told_while_upstream_still_thinks(later: bytes) -> None:
    keeping, go_on = Keeping(), threading.Event()

    def behave(call: Call) -> None:
        while not call.rest.endswith(b"0\r\n\r\n"):
            call.body(len(call.rest) + 1)
        assert go_on.wait(PATIENCE_S)
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    head = b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    with (
        raw_upstream(behave) as upstream,
        running_gateway(upstream.url, observer=keeping) as gateway,
        gateway.connect() as client,
    ):
        client.sendall(head + b"3\r\none\r\n")
        while not keeping.seen or not keeping.seen[0].asked_bytes:
            time.sleep(0.01)
        assert not keeping.seen[0].whole.is_set()
        client.sendall(later)
        assert keeping.seen[0].whole.wait(PATIENCE_S)
        assert keeping.seen[0].answer_head is None
        go_on.set()
        assert client.recv(65536)


def test_an_encoded_answer_stays_encoded() -> None:
    packed = gzip.compress(b"text" * 100)

    def behave(call: Call) -> None:
        call.send(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
        )

    with raw_upstream(behave) as upstream, running_gateway(upstream.url) as gateway:
        answer = gateway.exchange(request("/x", method="GET", body=b""))
    assert body_of(answer) == packed
    assert b"Content-Encoding: gzip" in answer


def test_an_encoded_request_stays_encoded() -> None:
    packed = gzip.compress(ASK)
    with raw_upstream(answering(b"")) as upstream, running_gateway(upstream.url) as gateway:
        gateway.exchange(request(body=packed, more="Content-Encoding: gzip\r\n"))
    assert upstream.calls[0].rest == packed


def test_a_client_that_hangs_up_is_hung_up_upstream() -> None:
    keeping, ended = Keeping(), threading.Event()

    def behave(call: Call) -> None:
        call.body(length_of(call.head))
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        call.to_end()
        ended.set()

    with raw_upstream(behave) as upstream, running_gateway(upstream.url, observer=keeping) as gateway:
        client = gateway.connect()
        client.sendall(request())
        received = b""
        while b"one" not in received:
            received += client.recv(65536)
        client.close()
        assert ended.wait(PATIENCE_S)
        assert keeping.last().endings == ["aborted"]
        assert keeping.last().answered_bytes == b"one"


def test_a_client_that_hangs_up_before_the_answer_is_hung_up_upstream() -> None:
    keeping, begun, ended = Keeping(), threading.Event(), threading.Event()

    def behave(call: Call) -> None:
        call.body(length_of(call.head))
        begun.set()
        call.to_end()
        ended.set()

    with raw_upstream(behave) as upstream, running_gateway(upstream.url, observer=keeping) as gateway:
        with gateway.connect() as client:
            client.sendall(request())
            assert begun.wait(PATIENCE_S)
        assert ended.wait(PATIENCE_S)
        assert keeping.last().endings == ["aborted"]


def test_an_upstream_that_dies_in_the_middle_is_no_clean_end() -> None:
    keeping = Keeping()

    def behave(call: Call) -> None:
        call.body(length_of(call.head))
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")

    with raw_upstream(behave) as upstream, running_gateway(upstream.url, observer=keeping) as gateway:
        answer = gateway.exchange(request())
    assert b"one" in answer
    assert not answer.endswith(b"0\r\n\r\n")
    assert keeping.last().endings == ["failed"]


@pytest.mark.parametrize(
    ("target", "message"),
    [("/api/chat", lambda e: e["error"]), ("/v1/models", lambda e: e["error"]["message"])],
)
def test_no_upstream_is_told_in_the_shape_that_the_client_reads(target: str, message: object) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    keeping = Keeping()
    with running_gateway(f"http://127.0.0.1:{port}", observer=keeping) as gateway:
        answer = gateway.exchange(request(target))
    assert status_of(answer) == 502
    assert callable(message)
    assert "is your runner started?" in message(json.loads(body_of(answer)))
    with running_gateway(
        f"http://127.0.0.1:{port}", settings=GatewaySettings(port=0, starting="start it")
    ) as gateway:
        answer = gateway.exchange(request(target))
    assert "start it with: start it" in message(json.loads(body_of(answer)))
    assert keeping.last().endings == ["failed"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:11436", "localhost.evil.example", "127.0.0.1.nip.io"]
)
def test_a_foreign_name_is_refused(host: str) -> None:
    with raw_upstream(answering(b"")) as upstream, running_gateway(upstream.url) as gateway:
        answer = gateway.exchange(request().replace(b"Host: localhost", b"Host: " + host.encode()))
    assert status_of(answer) == 403
    assert "gateway.allowed_hosts" in json.loads(body_of(answer))["error"]
    assert upstream.calls == []


@pytest.mark.parametrize("line", ["GET http://x/ HTTP/1.1", "OPTIONS * HTTP/1.1", "GET /a#b HTTP/1.1"])
def test_what_is_no_path_is_refused(line: str) -> None:
    with raw_upstream(answering(b"")) as upstream, running_gateway(upstream.url) as gateway:
        answer = gateway.exchange(f"{line}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert status_of(answer) == 400
    assert upstream.calls == []


def test_a_client_that_waits_for_100_continue_gets_it() -> None:
    with (
        raw_upstream(answering(b"done")) as upstream,
        running_gateway(upstream.url) as gateway,
        gateway.connect() as client,
    ):
        head, _, body = request(more="Expect: 100-continue\r\n").partition(b"\r\n\r\n")
        client.sendall(head + b"\r\n\r\n")
        received = client.recv(65536)
        assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.sendall(body)
        while b"done" not in received:
            received += client.recv(65536)
    assert upstream.calls[0].rest == ASK


def test_a_chunked_body_arrives_whole() -> None:
    with raw_upstream(lambda call: call.send(b"HTTP/1.1 204 No Content\r\n\r\n")) as upstream:
        keeping = Keeping()
        with running_gateway(upstream.url, observer=keeping) as gateway:
            answer = gateway.exchange(
                b"POST /api/blobs/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            )
        assert status_of(answer) == 204
        assert keeping.last().asked_bytes == b"abcde"


def test_a_client_of_http_1_0_gets_an_answer_that_ends_with_the_connection() -> None:
    def behave(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n")

    with raw_upstream(behave) as upstream, running_gateway(upstream.url) as gateway:
        answer = gateway.exchange(b"GET / HTTP/1.0\r\n\r\n")
    assert body_of(answer) == b"one"
    assert b"chunked" not in answer


class Faulty:
    """An observer that is broken at one of its steps."""

    def __init__(self, step: str) -> None:
        self._step = step
        self.endings: list[str] = []

    def begin(self, head: Head) -> Observation | None:
        self._maybe("begin")
        return self

    def asked(self, chunk: bytes) -> None:
        self._maybe("asked")

    def asked_whole(self) -> None:
        self._maybe("asked_whole")

    def answering(self, head: Head) -> tuple[tuple[str, str], ...]:
        self._maybe("answering")
        return ()

    def answered(self, chunk: bytes) -> None:
        self._maybe("answered")

    def ended(self, how: str) -> None:
        self.endings.append(how)
        self._maybe("ended")

    def _maybe(self, step: str) -> None:
        if step == self._step:
            raise RuntimeError("full disk")


@pytest.mark.parametrize("step", ["begin", "asked", "asked_whole", "answering", "answered", "ended"])
def test_a_fault_of_the_recording_breaks_no_chat(step: str) -> None:
    faulty = Faulty(step)
    with (
        raw_upstream(answering(b"fine")) as upstream,
        running_gateway(upstream.url, observer=faulty) as gateway,
    ):
        answer = gateway.exchange(request())
    assert body_of(answer) == b"fine"
    assert len(faulty.endings) == (step != "begin")


class ByModel:
    """Sends requests that name `tuned` elsewhere."""

    def __init__(self, usual: str, tuned: str) -> None:
        self._usual, self._tuned = usual, tuned
        self.bodies: list[bytes | None] = []

    def reads_body(self, head: Head) -> bool:
        return head.target.startswith("/v1/")

    def route(self, head: Head, body: bytes | None) -> Route:
        self.bodies.append(body)
        if body is not None and b"tuned" in body:
            return Route(upstream=self._tuned, body=body.replace(b"tuned", b"me:latest"))
        return Route(upstream=self._usual)


def test_the_body_may_decide_where_a_request_goes_and_be_replaced() -> None:
    with raw_upstream(answering(b"usual")) as usual, raw_upstream(answering(b"other")) as other:
        routing = ByModel(usual.url, other.url)
        with running_gateway(usual.url, routing=routing) as gateway:
            assert body_of(gateway.exchange(request("/v1/chat/completions"))) == b"usual"
            assert usual.calls[0].rest == ASK
            body = b'{"model":"tuned"}'
            assert body_of(gateway.exchange(request("/v1/chat/completions", body=body))) == b"other"
        assert other.calls[0].rest == b'{"model":"me:latest"}'
        assert length_of(other.calls[0].head) == len(b'{"model":"me:latest"}')


def test_a_body_too_long_to_be_held_back_passes_unread() -> None:
    body = b"tuned" + bytes(HELD_BYTES)
    with raw_upstream(answering(b"usual")) as usual:
        routing = ByModel(usual.url, "http://127.0.0.1:1")
        with running_gateway(usual.url, routing=routing) as gateway:
            assert body_of(gateway.exchange(request("/v1/x", body=body))) == b"usual"
        assert routing.bodies == [None]
        assert usual.calls[0].rest == body


def _told(gateway: RunningGateway) -> dict[str, object]:
    answer = gateway.exchange(request("/laimark/activity", method="GET", body=b""))
    told: dict[str, object] = json.loads(body_of(answer))
    return told


def test_work_in_flight_is_told_exactly() -> None:
    go_on = threading.Event()

    def behave(call: Call) -> None:
        call.body(length_of(call.head))
        assert go_on.wait(PATIENCE_S)
        answering(b"")(call)

    with raw_upstream(behave) as upstream, running_gateway(upstream.url) as gateway:
        assert _told(gateway) == {"busy": False, "served": 0}
        with gateway.connect() as client:
            client.sendall(request())
            while not _told(gateway)["busy"]:
                time.sleep(0.01)
            go_on.set()
            assert client.recv(65536).startswith(b"HTTP/1.1 200 OK")
        while _told(gateway)["busy"]:
            time.sleep(0.01)
        assert _told(gateway) == {"busy": False, "served": 1}


def test_pages_of_other_sites_may_not_ask_the_gateway_itself() -> None:
    with raw_upstream(answering(b"")) as upstream, running_gateway(upstream.url) as gateway:
        answer = gateway.exchange(request("/laimark/feedback", more="Origin: https://evil.example\r\n"))
        assert status_of(answer) == 403
        assert (
            status_of(gateway.exchange(request("/laimark/x", more="Origin: http://localhost:3000\r\n")))
            == 200
        )
    assert upstream.calls == []


@pytest.mark.parametrize(
    ("more", "watched"),
    [
        ("", True),
        ("Origin: http://localhost:3000\r\nSec-Fetch-Site: same-site\r\n", True),
        ("Origin: https://evil.example\r\n", False),
        ("Origin: http://localhost\r\nOrigin: https://evil.example\r\n", False),
        ("Origin: moz-extension://abc\r\n", False),
        ("Sec-Fetch-Site: cross-site\r\n", False),
    ],
)
def test_request_of_a_foreign_page_passes_and_nobody_watches_it(more: str, watched: bool) -> None:
    with (
        raw_upstream(answering(b"{}")) as upstream,
        running_gateway(upstream.url, observer=Keeping()) as gateway,
    ):
        answer = gateway.exchange(request(more=more))
    assert (status_of(answer), len(upstream.calls)) == (200, 1)
    assert (b"X-Laimark-Seen: yes" in answer) is watched
