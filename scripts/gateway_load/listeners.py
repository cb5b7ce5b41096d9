"""Clients that listen to paced streams, and ask short questions; cheap, so that they do not slow down what they measure.

Usage: python -m scripts.gateway_load.listeners PORT STREAMS SECONDS SHORT. Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from typing import cast

import uvloop

_STAMP = re.compile(rb'"t":(\d+)}')
_QUESTION = (
    b'{"model":"m","stream":true,"messages":[{"role":"user","content":"Say something about bees, please."}]}'
)
_ASK = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(_QUESTION) + _QUESTION
)
_SHORT = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
_WARM_UP_S = 2.0
"""The first streams start one after another within this time, so that tokens are spread; what comes in it is not counted."""


class Listener(asyncio.Protocol):
    """One connection that asks for one stream after another."""

    def __init__(self, counted_from_ns: int) -> None:
        self._counted_from_ns = counted_from_ns
        self.first_ms: list[float] = []
        self.late_ms: list[float] = []
        self.ended = 0
        self.cut = 0
        self.stopping = False
        self.done = asyncio.get_running_loop().create_future()
        self._rest = b""
        self._asked_ns = 0
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def ask(self) -> None:
        """Ask for the next stream."""
        self._rest = b""
        self._waiting = True
        self._asked_ns = time.monotonic_ns()
        self._transport.write(_ASK)

    def data_received(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        counts = self._asked_ns >= self._counted_from_ns
        seen = self._rest + data
        end = 0
        for found in _STAMP.finditer(seen):
            end = found.end()
            if self._waiting:
                self._waiting = False
                if counts:
                    self.first_ms.append((now_ns - self._asked_ns) / 1e6)
            if now_ns >= self._counted_from_ns:
                self.late_ms.append((now_ns - int(found[1])) / 1e6)
        self._rest = seen[end:]
        if self._rest.endswith(b"0\r\n\r\n"):
            self.ended += 1
            if self.stopping:
                self._transport.close()
            else:
                self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        self.cut += not self.stopping
        self.done.set_result(None)


async def listen(port: int, streams: int, seconds: float) -> dict[str, float]:
    """Listen to `streams` at once; returns figures."""
    loop = asyncio.get_running_loop()
    counted_from_ns = time.monotonic_ns() + int(_WARM_UP_S * 1e9)
    listeners: list[Listener] = []
    for _ in range(streams):
        _, listener = await loop.create_connection(lambda: Listener(counted_from_ns), "127.0.0.1", port)
        listeners.append(listener)
        loop.call_later(random.Random(len(listeners)).uniform(0, _WARM_UP_S), listener.ask)
    await asyncio.sleep(_WARM_UP_S + seconds)
    # The rate is read before the streams are let run out, which is no steady state any more.
    tokens = sum(len(listener.late_ms) for listener in listeners)
    for listener in listeners:
        listener.stopping = True
    await asyncio.gather(*(listener.done for listener in listeners))
    first_ms = sorted(value for listener in listeners for value in listener.first_ms)
    late_ms = sorted(value for listener in listeners for value in listener.late_ms)
    return {
        "tokens_per_s": tokens / seconds,
        "first_ms_p50": quantile(first_ms, 0.5),
        "first_ms_p99": quantile(first_ms, 0.99),
        "token_ms_p50": quantile(late_ms, 0.5),
        "token_ms_p99": quantile(late_ms, 0.99),
        "streams": sum(listener.ended for listener in listeners),
        "cut": sum(listener.cut for listener in listeners),
    }


async def ask_briefly(port: int, count: int) -> dict[str, float]:
    """Ask `count` short questions one after another over one connection; returns figures."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took_ms = []
    for _ in range(count):
        began_ns = time.monotonic_ns()
        writer.write(_SHORT)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        assert length is not None, head
        await reader.readexactly(int(length[1]))
        took_ms.append((time.monotonic_ns() - began_ns) / 1e6)
    writer.close()
    took_ms.sort()
    return {"short_ms_p50": quantile(took_ms, 0.5), "short_ms_p99": quantile(took_ms, 0.99)}


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which `share` of ascending values lie."""
    if len(ordered) < 2:
        return statistics.fmean(ordered) if ordered else float("nan")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def _measure(port: int, streams: int, seconds: float, short: int) -> None:
    brief = await ask_briefly(port, short)
    figures = await listen(port, streams, seconds)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps(brief | figures | {"load_cpu_s": used.ru_utime + used.ru_stime}))


if __name__ == "__main__":
    uvloop.run(_measure(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
