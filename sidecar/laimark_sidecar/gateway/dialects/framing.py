"""Cuts the bytes of an answer into JSON objects: server-sent events, JSON lines, or one whole body.

Sources: WHATWG HTML 9.2 "Server-sent events" (lines may end in CR LF or LF; a lone CR, which no server writes, is not
taken as an end), jsonlines.org.
"""

from __future__ import annotations

from typing import Protocol


class Framing(Protocol):
    """One answer's frames."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the objects that are complete with this piece."""
        ...

    def end(self, *, whole: bool) -> list[bytes]:
        """Return what is complete only by the end; nothing where the answer was cut (`whole` is false)."""
        ...


def framing_of(content_type: str) -> Framing:
    """Return how an answer of that Content-Type is framed."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return ServerSentEvents()
    if kind in ("application/x-ndjson", "application/jsonl", "application/x-jsonlines"):
        return JsonLines()
    return WholeBody()


class _Lines:
    """Complete lines of what has come; each byte is searched once."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that end in this piece, without their ends."""
        if b"\n" not in chunk:
            self._pieces.append(chunk)
            return []
        first, *lines = chunk.split(b"\n")
        lines.insert(0, b"".join((*self._pieces, first)))
        self._pieces = [lines.pop()]
        return [line.removesuffix(b"\r") for line in lines]

    def rest(self) -> bytes:
        return b"".join(self._pieces)


class ServerSentEvents:
    """The data of each event. Comments, names and ids of events are passed over: the data says everything."""

    def __init__(self) -> None:
        self._lines = _Lines()
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        events = []
        for line in self._lines.feed(chunk):
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                data = b"\n".join(self._data)
                self._data.clear()
                if data != b"[DONE]":
                    events.append(data)
        return events

    def end(self, *, whole: bool) -> list[bytes]:
        return []


class JsonLines:
    """Each line that is not empty."""

    def __init__(self) -> None:
        self._lines = _Lines()

    def feed(self, chunk: bytes) -> list[bytes]:
        return [line for line in self._lines.feed(chunk) if line.strip()]

    def end(self, *, whole: bool) -> list[bytes]:
        rest = self._lines.rest()
        return [rest] if whole and rest.strip() else []


class WholeBody:
    """The one object that the body is."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        self._pieces.append(chunk)
        return []

    def end(self, *, whole: bool) -> list[bytes]:
        body = b"".join(self._pieces)
        return [body] if whole and body.strip() else []
