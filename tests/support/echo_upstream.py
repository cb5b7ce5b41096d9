"""An upstream that tells what reached it, read by the letter of RFC 9112: heads, lengths and chunks, and nothing else."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.support.listening import listening


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """One request as it arrived."""

    line: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    """Names in lower case."""
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


@dataclass(slots=True)
class EchoUpstream:
    port: int
    reached: list[Reached] = field(default_factory=list)
    unreadable: list[bytes] = field(default_factory=list)
    """What was no request to the letter: a gateway must never send such."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class UnreadableError(Exception):
    """What came is no request; the message holds its bytes."""


@contextlib.contextmanager
def echo_upstream() -> Iterator[EchoUpstream]:
    """Run it; answers `200` with the body that it got, and keeps connections open."""
    upstream = EchoUpstream(port=0)

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, EOFError):
            reader = _Reader(connection)
            try:
                while True:
                    reached = reader.request()
                    upstream.reached.append(reached)
                    body = b"" if reached.line.startswith(b"HEAD ") else reached.body
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            except UnreadableError as error:
                upstream.unreadable.append(str(error).encode())

    with listening(one) as upstream.port:
        yield upstream


class _Reader:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""

    def request(self) -> Reached:
        line = self._line()
        headers = []
        while pair := self._line():
            name, colon, value = pair.partition(b":")
            if not colon or name != name.strip() or not name:
                raise UnreadableError(repr(pair))
            headers.append((name.lower(), value.strip()))
        return Reached(line=line, headers=tuple(headers), body=self._body(dict(headers)))

    def _body(self, headers: dict[bytes, bytes]) -> bytes:
        if b"transfer-encoding" not in headers:
            return self._exactly(int(headers.get(b"content-length", b"0")))
        if headers[b"transfer-encoding"] != b"chunked" or b"content-length" in headers:
            raise UnreadableError(repr(headers))
        body = b""
        while size := int(self._line(), 16):
            body += self._exactly(size)
            if self._line():
                raise UnreadableError("a chunk is longer than it says")
        if self._line():
            raise UnreadableError("a trailer")
        return body

    def _line(self) -> bytes:
        while b"\r\n" not in self._received:
            self._more()
        line, _, self._received = self._received.partition(b"\r\n")
        if b"\n" in line or b"\r" in line or b"\0" in line:
            raise UnreadableError(repr(line))
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._received) < size:
            self._more()
        content, self._received = self._received[:size], self._received[size:]
        return content

    def _more(self) -> None:
        chunk = self._connection.recv(65536)
        if not chunk:
            raise EOFError
        self._received += chunk
