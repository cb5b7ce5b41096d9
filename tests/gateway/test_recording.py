"""On the event loop pieces are kept and handed over, and nothing is kept that is not to be recorded."""

from __future__ import annotations

import pytest
from tests.support.passing import answer

from laimark_sidecar.gateway.dialects.encoding import MAX_BODY_BYTES
from laimark_sidecar.gateway.observing import Ending, Head
from laimark_sidecar.gateway.recording import EXCHANGE_HEADER, Recording

JSON = answer("application/json")


class Listing:
    """A Scribe that lists what it is handed."""

    def __init__(self, *, room: int = 1 << 30) -> None:
        self.id = "7" * 32
        self.done = False
        self.room = room
        self.calls: list[tuple[str, object]] = []

    def take(self, size_bytes: int) -> bool:
        self.room -= size_bytes
        return self.room >= 0

    def ask(self, body: bytes) -> None:
        self.calls.append(("ask", body))

    def answering(self, head: Head) -> None:
        self.calls.append(("answering", head.status))

    def answered(self, pieces: bytes) -> None:
        self.calls.append(("answered", pieces))

    def end(self, how: Ending) -> None:
        self.calls.append(("end", how))

    def drop(self, why: str) -> None:
        self.done = True
        self.calls.append(("drop", None))


def test_request_is_handed_over_when_it_is_whole() -> None:
    scribe = Listing()
    recording = Recording(scribe)

    recording.asked(b"ab")
    assert scribe.calls == []
    recording.asked(b"cd")
    recording.asked_whole()
    assert scribe.calls == [("ask", b"abcd")]
    recording.answering(JSON)
    assert scribe.calls == [("ask", b"abcd"), ("answering", 200)]


def test_request_that_is_answered_before_its_end_is_whole_then() -> None:
    scribe = Listing()
    recording = Recording(scribe)

    recording.asked(b"ab")
    added = recording.answering(JSON)

    assert scribe.calls == [("ask", b"ab"), ("answering", 200)]
    assert added == ((EXCHANGE_HEADER, "7" * 32),)


def test_small_pieces_are_handed_over_together_and_the_rest_at_the_end() -> None:
    scribe = Listing()
    recording = Recording(scribe)
    recording.answering(JSON)
    scribe.calls.clear()

    for _ in range(17):
        recording.answered(b"x" * 1024)
    recording.ended("complete")

    assert scribe.calls == [("answered", b"x" * 16384), ("answered", b"x" * 1024), ("end", "complete")]


@pytest.mark.parametrize("status", [304, 400, 502])
def test_of_a_refusal_nothing_is_kept(status: int) -> None:
    scribe = Listing()
    recording = Recording(scribe)
    added = recording.answering(answer("application/json", status=status))
    recording.answered(b"x" * 100_000)
    recording.ended("complete")

    assert added == ()
    assert scribe.calls == [("end", "complete")]


def test_nothing_more_is_kept_when_the_scribe_is_done() -> None:
    scribe = Listing()
    recording = Recording(scribe)
    recording.asked(b"x")
    recording.asked_whole()
    scribe.done = True
    room = scribe.room

    assert recording.answering(JSON) == ()
    recording.answered(b"x" * 100_000)
    recording.ended("aborted")

    assert scribe.room == room
    assert scribe.calls == [("ask", b"x"), ("end", "aborted")]


def test_request_that_is_too_long_is_dropped_once() -> None:
    scribe = Listing()
    recording = Recording(scribe)
    for _ in range(3):
        recording.asked(b"x" * (MAX_BODY_BYTES // 2 + 1))
    recording.ended("complete")

    assert [name for name, _ in scribe.calls] == ["drop", "end"]


def test_exchange_is_dropped_where_no_memory_is_granted() -> None:
    scribe = Listing(room=10)
    recording = Recording(scribe)
    recording.asked(b"x" * 10)
    recording.answering(JSON)
    recording.answered(b"x")
    recording.ended("complete")

    assert [name for name, _ in scribe.calls] == ["ask", "answering", "drop", "end"]
