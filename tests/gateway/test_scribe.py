"""What a request or an answer stands for is held against the bound, not only what it takes on the wire."""

from __future__ import annotations

import gzip
import json

from tests.support.passing import answer, request

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.gateway.backlog import Backlog
from laimark_sidecar.gateway.dialects.table import dialect_of
from laimark_sidecar.gateway.exchanges import Answering, Making
from laimark_sidecar.gateway.observing import Ending, Head
from laimark_sidecar.gateway.scribe import BacklogScribe
from laimark_sidecar.gateway.tally import Tally

CHAT = "/v1/chat/completions"
HELD_BYTES = 1 << 20


class Permitting:
    on = True

    def __call__(self, *, model: str, client: str, head: Head, since_s: float) -> bool:
        return True


class Desk:
    """A backlog with a scribe, and what was kept."""

    def __init__(self) -> None:
        self.kept: list[Ending] = []
        self.over: list[str] = []
        self.faults: list[Exception] = []
        self.backlog = Backlog(complain=self.faults.append, held_bytes=HELD_BYTES)
        self.tally = Tally(SystemClock())

    def scribe(self, head: Head) -> BacklogScribe:
        dialect = dialect_of(head.method, head.target)
        assert dialect is not None
        making = Making(
            dialect=dialect, head=head, time_s=1.0, permits=Permitting(), versions=lambda _: Answering()
        )
        return BacklogScribe(
            making,
            self.backlog,
            self.tally,
            keep=lambda _, how: self.kept.append(how),
            over=self.over.append,
        )

    def done(self) -> None:
        assert self.backlog.close(timeout_s=10.0)
        assert self.faults == []


def packed_request(content_bytes: int) -> bytes:
    messages = [{"role": "user", "content": "x" * content_bytes}]
    return gzip.compress(json.dumps({"model": "m", "messages": messages}).encode())


def test_a_packed_request_that_stands_for_more_than_is_held_is_dropped_and_all_memory_given_back() -> None:
    desk = Desk()
    scribe = desk.scribe(request(CHAT, {"content-encoding": "gzip"}))
    body = packed_request(2 * HELD_BYTES)
    assert len(body) < HELD_BYTES // 100
    assert scribe.take(len(body))
    scribe.ask(body)
    scribe.end("complete")
    desk.done()
    assert desk.tally.counts.dropped == 1
    assert desk.kept == []
    assert desk.backlog.take(HELD_BYTES)


def test_packed_answers_under_way_share_the_bound() -> None:
    desk = Desk()
    asked = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    scribes = [desk.scribe(request(CHAT)) for _ in range(3)]
    piece = gzip.compress(b" " * (HELD_BYTES * 2 // 5))
    for scribe in scribes:
        scribe.take(len(asked) + len(piece))
        scribe.ask(asked)
        scribe.answering(answer("application/json", encoding="gzip"))
        scribe.answered(piece)
    for scribe in scribes:
        scribe.end("aborted")
    desk.done()
    assert desk.tally.counts.dropped == 1
    assert desk.kept == ["aborted", "aborted"]
    assert desk.over == [scribe.id for scribe in scribes]
    assert desk.backlog.take(HELD_BYTES)
