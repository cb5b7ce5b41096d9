"""An upstream of raw sockets: it answers exactly the bytes that a test says, and keeps what it was sent."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.support.listening import listening

Behaviour = Callable[["Call"], None]


@dataclass(slots=True)
class Call:
    """One connection, read up to the end of the head."""

    connection: socket.socket
    head: bytes
    rest: bytes

    def body(self, length: int) -> bytes:
        """Read exactly that much of the body."""
        while len(self.rest) < length:
            chunk = self.connection.recv(65536)
            assert chunk, "the body ended early"
            self.rest += chunk
        return self.rest[:length]

    def to_end(self) -> bytes:
        """Read until the client closes; a reset is an end, too."""
        with contextlib.suppress(ConnectionError):
            while chunk := self.connection.recv(65536):
                self.rest += chunk
        return self.rest

    def send(self, content: bytes) -> None:
        self.connection.sendall(content)


@dataclass(slots=True)
class RawUpstream:
    port: int
    calls: list[Call] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def raw_upstream(behave: Behaviour) -> Iterator[RawUpstream]:
    """Run an upstream; each connection has a thread and is closed when `behave` returns."""
    upstream = RawUpstream(port=0)

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            received = b""
            while b"\r\n\r\n" not in received:
                chunk = connection.recv(65536)
                if not chunk:
                    return
                received += chunk
            head, _, rest = received.partition(b"\r\n\r\n")
            call = Call(connection, head, rest)
            upstream.calls.append(call)
            behave(call)

    with listening(one) as upstream.port:
        yield upstream


def answering(content: bytes, *, kind: str = "application/json") -> Behaviour:
    """Return a behaviour that reads a Content-Length body and answers `content`."""

    def behave(call: Call) -> None:
        call.body(length_of(call.head))
        call.send(
            f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content
        )

    return behave


def length_of(head: bytes) -> int:
    """Return the Content-Length of a head; 0 where it has none."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0
