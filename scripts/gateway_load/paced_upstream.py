"""A runner that computes nothing: it streams stamped tokens at a set pace, or answers at once.

Usage: python -m scripts.gateway_load.paced_upstream RATE TOKENS. Prints its port, serves until it is killed. A POST to a
path that ends in `/chat/completions` gets TOKENS chunks of server-sent events, RATE a second, each with the time at which
it was written (`"t"`, monotonic nanoseconds, one clock for all processes); anything else gets a short JSON answer.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import uvloop

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_END = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
_SHORT_BODY = b'{"object":"list","data":[{"id":"m","object":"model"}]}'
_SHORT = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_SHORT_BODY)
    + _SHORT_BODY
)


def token() -> bytes:
    """Return one chunk of the answer, stamped with this moment."""
    event = (
        b'data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":'
        b'{"content":" word"},"finish_reason":null}],"t":%d}\n\n' % time.monotonic_ns()
    )
    return b"%x\r\n%s\r\n" % (len(event), event)


class Runner(asyncio.Protocol):
    """One connection. Requests have a Content-Length and come one after another, as our own load and proxies send them."""

    def __init__(self, rate: float, tokens: int) -> None:
        self._interval_s = 1 / rate
        self._tokens = tokens
        self._received = b""
        self._loop = asyncio.get_running_loop()
        self._begun_s = 0.0
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        lowered = head.lower()
        if b"transfer-encoding: chunked" in lowered:
            if not rest.endswith(b"0\r\n\r\n"):
                return
        elif len(rest) < _length(lowered):
            return
        self._received = b""
        self._answer(head)

    def _answer(self, head: bytes) -> None:
        if b"/chat/completions " not in head.split(b"\r\n", 1)[0]:
            self._transport.write(_SHORT)
            return
        self._begun_s, self._sent = self._loop.time(), 0
        self._transport.write(_HEAD)
        self._speak()

    def _speak(self) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(token())
        self._sent += 1
        if self._sent == self._tokens:
            self._transport.write(_END)
            return
        # Absolute times: what is late once does not make all after it late.
        self._loop.call_at(self._begun_s + self._sent * self._interval_s, self._speak)


def _length(head: bytes) -> int:
    _, found, rest = head.partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


async def _serve(rate: float, tokens: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Runner(rate, tokens), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(float(sys.argv[1]), int(sys.argv[2])))
