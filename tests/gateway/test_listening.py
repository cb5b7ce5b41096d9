from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
from tests.support.gateway_running import PATIENCE_S, running_gateway
from tests.support.processes import wait_until
from tests.support.raw_upstream import Call, length_of, raw_upstream

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.gateway.settings import GatewaySettings

PROGRAM = """
import sys
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.gateway.listening import Parts, run
from laimark_sidecar.gateway.settings import GatewaySettings
from tests.support.gateway_running import Keeping, Straight, TrafficDesk
run(GatewaySettings(port=int(sys.argv[2])), Parts(observer=Keeping(), routing=Straight(sys.argv[1]), desk=TrafficDesk,
    clock=SystemClock(), on_ready=lambda url: print(url, flush=True)))
"""


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    with running_gateway("http://127.0.0.1:1") as first:
        program = [sys.executable, "-c", PROGRAM, "http://127.0.0.1:1", str(first.port)]
        ended = subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ended.returncode != 0
    assert f"{RunnerError.__name__}: the gateway cannot listen on 127.0.0.1:{first.port}" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_though_an_answer_is_in_flight(number: int) -> None:
    begun = threading.Event()

    def behave(call: Call) -> None:
        call.body(length_of(call.head))
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        begun.set()
        call.to_end()

    with raw_upstream(behave) as upstream:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, upstream.url, "0"], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
                client.sendall(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
                assert begun.wait(PATIENCE_S)
                os.kill(process.pid, number)
                wait_until(lambda: process.poll() is not None, "the gateway to end")
            assert process.returncode == 0
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def test_it_listens_on_ipv6_too() -> None:
    with running_gateway("http://127.0.0.1:1", settings=GatewaySettings(host="::1", port=0)) as gateway:
        assert gateway.url.startswith("http://[::1]:")
