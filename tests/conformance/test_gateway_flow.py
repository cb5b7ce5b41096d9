"""Bytes flow through the gateway at the pace of the slower side, in memory that does not grow, and ends stay ends."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.echo_upstream import echo_upstream
from tests.support.gateway_running import PATIENCE_S, Keeping, running_gateway
from tests.support.raw_upstream import Call, RawUpstream, answering, raw_upstream

from laimark_sidecar.gateway import listening

MIB = 1 << 20
GIB = 1 << 30
HELD = 64 * MIB
"""More than all buffers on the way hold, the kernel's too, and far less than what is sent."""
PROGRAM = """
import sys
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.gateway.listening import Parts, run
from laimark_sidecar.gateway.settings import GatewaySettings
from scripts.gateway_load.recording_gateway import Blind
from tests.support.gateway_running import Straight, TrafficDesk
run(GatewaySettings(port=0), Parts(observer=Blind(), routing=Straight(sys.argv[1]), desk=TrafficDesk,
    clock=SystemClock(), on_ready=lambda url: print(url, flush=True)))
"""


@contextlib.contextmanager
def gateway_process(upstream: RawUpstream) -> Iterator[tuple[int, int]]:
    """Run the gateway in a process of its own, which can be weighed; yields its port and pid."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM, upstream.url], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline().rpartition(b":")[2]), process.pid
        finally:
            process.terminate()


def resident(pid: int) -> int:
    """Return the bytes of memory that a process holds."""
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def sent_until_full(client: socket.socket, most: int) -> int:
    """Send until nobody takes more; returns how much was taken."""
    client.settimeout(1.0)
    sent, block = 0, bytes(MIB)
    with contextlib.suppress(TimeoutError):
        while sent < most:
            sent += client.send(block)
    return sent


def _wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE_S)


needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory is read from /proc")


@needs_proc
def test_an_upload_waits_for_a_runner_that_does_not_read() -> None:
    over = threading.Event()
    with (
        raw_upstream(lambda call: _wait(over)) as upstream,
        gateway_process(upstream) as (port, pid),
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client,
    ):
        before = resident(pid)
        client.sendall(b"POST /api/blobs/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % GIB)
        assert sent_until_full(client, GIB) < HELD
        assert resident(pid) - before < 16 * MIB
        over.set()


@needs_proc
def test_a_download_waits_for_a_client_that_does_not_read() -> None:
    taken: list[int] = []
    full = threading.Event()

    def behave(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIB)
        taken.append(sent_until_full(call.connection, GIB))
        full.set()

    with (
        raw_upstream(behave) as upstream,
        gateway_process(upstream) as (port, pid),
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client,
    ):
        before = resident(pid)
        client.sendall(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert full.wait(PATIENCE_S)
        assert taken[0] < HELD
        assert resident(pid) - before < 16 * MIB


@needs_proc
def test_hundreds_of_megabytes_pass_both_ways_in_flat_memory() -> None:
    size = 256 * MIB

    def behave(call: Call) -> None:
        arrived = len(call.rest)
        while arrived < size:
            chunk = call.connection.recv(MIB)
            assert chunk
            arrived += len(chunk)
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // MIB):
            call.send(bytes(MIB))

    with (
        raw_upstream(behave) as upstream,
        gateway_process(upstream) as (port, pid),
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client,
    ):
        before = resident(pid)
        client.sendall(b"POST /api/blobs/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // MIB):
            client.sendall(bytes(MIB))
        received, most = 0, 0
        while received < size:
            chunk = client.recv(MIB)
            assert chunk
            received += len(chunk)
            most = max(most, resident(pid))
        assert most - before < 16 * MIB


@needs_proc
def test_ten_thousand_idle_connections_take_little_memory_and_keep_nobody_waiting() -> None:
    count = 10_000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 500:
        pytest.skip(f"this user may open {hard} files only")
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(raw_upstream(answering(b"ok")))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))  # as a shell starts programs
        port, pid = stack.enter_context(gateway_process(upstream))
        resource.setrlimit(resource.RLIMIT_NOFILE, (count + 500, hard))
        before = resident(pid)
        idle = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
            for _ in range(count)
        ]
        for client in idle[:: count // 10]:
            client.sendall(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert (resident(pid) - before) / count < 16 << 10


def test_a_head_that_is_sent_too_slowly_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "IDLE_S", 0.5)
    with (
        echo_upstream() as upstream,
        running_gateway(upstream.url) as gateway,
        gateway.connect() as slow,
        gateway.connect() as silent,
    ):
        slow.sendall(b"POST / HTTP/1.1\r\nHost: loc")
        assert slow.recv(1) == silent.recv(1) == b""
    assert upstream.reached == []


def test_a_request_that_runs_has_no_such_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "IDLE_S", 0.2)

    def behave(call: Call) -> None:
        threading.Event().wait(1.0)
        answering(b"late")(call)

    with raw_upstream(behave) as upstream, running_gateway(upstream.url) as gateway:
        answer = gateway.exchange(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"\r\n\r\nlate")


def test_a_client_that_closes_its_sending_side_counts_as_gone_as_it_does_for_ollama() -> None:
    keeping, ended = Keeping(), threading.Event()

    def behave(call: Call) -> None:
        call.to_end()
        ended.set()

    with (
        raw_upstream(behave) as upstream,
        running_gateway(upstream.url, observer=keeping) as gateway,
        gateway.connect() as client,
    ):
        client.sendall(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while not upstream.calls:
            threading.Event().wait(0.01)
        client.shutdown(socket.SHUT_WR)
        assert ended.wait(PATIENCE_S)
        assert keeping.last().endings == ["aborted"]


def test_an_upload_that_breaks_off_does_not_reach_the_runner_as_a_whole_one() -> None:
    keeping, ended = Keeping(), threading.Event()

    def behave(call: Call) -> None:
        call.to_end()
        ended.set()

    with raw_upstream(behave) as upstream, running_gateway(upstream.url, observer=keeping) as gateway:
        with gateway.connect() as client:
            client.sendall(
                b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
            )
            while not (upstream.calls and b"abc" in upstream.calls[0].rest):
                threading.Event().wait(0.01)
                assert not ended.is_set()
        assert ended.wait(PATIENCE_S)
        assert upstream.calls[0].rest == b"3\r\nabc\r\n"
        assert keeping.last().endings == ["aborted"]


def test_an_upload_that_turns_wrong_does_not_reach_the_runner_as_a_whole_one() -> None:
    ended = threading.Event()

    def behave(call: Call) -> None:
        call.to_end()
        ended.set()

    with raw_upstream(behave) as upstream, running_gateway(upstream.url) as gateway:
        with gateway.connect() as client:
            client.sendall(
                b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
            )
            while not (upstream.calls and b"abc" in upstream.calls[0].rest):
                threading.Event().wait(0.01)
            client.sendall(b"no size\r\nabc\r\n0\r\n\r\n")
        assert ended.wait(PATIENCE_S)
        assert upstream.calls[0].rest == b"3\r\nabc\r\n"


def test_an_answer_that_comes_before_the_end_of_the_upload_is_passed_on() -> None:
    def behave(call: Call) -> None:
        call.send(b"HTTP/1.1 413 Too large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        call.to_end()

    with (
        raw_upstream(behave) as upstream,
        running_gateway(upstream.url) as gateway,
        gateway.connect() as client,
    ):
        client.sendall(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nabc")
        answer = b""
        while not answer.endswith(b"no"):
            chunk = client.recv(65536)
            assert chunk, answer
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 413 Too large\r\n")
