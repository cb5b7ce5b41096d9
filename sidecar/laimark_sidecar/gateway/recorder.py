"""Records the conversations that pass: an Observer that reads and writes off the event loop, and never breaks a chat.

Pieces are kept on the loop and read, checked against the user's consent and written on one thread, in their order. What
is not to be recorded is forgotten as soon as that is known: at once where the client declines (`X-Laimark-Record: off`),
when the request is whole where the model or client is not among those that are recorded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from laimark_sidecar.clock import Clock
from laimark_sidecar.errors import DataError
from laimark_sidecar.gateway.backlog import HELD_BYTES, Backlog
from laimark_sidecar.gateway.dialects.encoding import TooLongError
from laimark_sidecar.gateway.dialects.table import dialect_of
from laimark_sidecar.gateway.exchanges import Making, Permits, Versions
from laimark_sidecar.gateway.feedback import Given, Recent
from laimark_sidecar.gateway.observing import Ending, Head, Told
from laimark_sidecar.gateway.recording import Recording, body_bytes
from laimark_sidecar.gateway.tally import Counts, Tally
from laimark_sidecar.journal import consent
from laimark_sidecar.journal.exchange import Exchange, Feedback
from laimark_sidecar.logs import action

log = logging.getLogger(__name__)

_CLOSE_S = 0.8  # beside the four that answers in flight get: SIGTERM is obeyed within five


class Journal(Protocol):
    """Where records go; `JournalWriter` is one."""

    def append(self, record: Exchange | Feedback) -> None:
        """Store a record; raises OSError when it cannot."""
        ...

    def close(self) -> None: ...


class Recorder:
    """Watches for conversations.

    Args:
        journal: closed by `close`.
        clock: of the records.
        permits: the user's consent.
        versions: what stands behind a model's name.
        held_bytes: bound of the memory for exchanges under way.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        clock: Clock,
        permits: Permits,
        versions: Versions,
        held_bytes: int = HELD_BYTES,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._permits = permits
        self._versions = versions
        self._tally = Tally(clock)
        self._recent = Recent()
        self._backlog = Backlog(
            complain=lambda error: self._tally.add("failed", error), held_bytes=held_bytes
        )

    @property
    def counts(self) -> Counts:
        """What became of what passed."""
        return self._tally.counts

    def begin(self, head: Head) -> Recording | None:
        dialect = dialect_of(head.method, head.target)
        if dialect is None or declines(head):
            return None
        making = Making(
            dialect=dialect,
            head=head,
            time_s=self._clock.now_s(),
            permits=self._permits,
            versions=self._versions,
        )
        return Recording(_Scribe(making, self._backlog, self._tally, self._keep), body_bytes=body_bytes(head))

    def feedback(self, head: Head, body: bytes) -> Told:
        """Answer `POST /laimark/feedback`: what the user did with an answer, as the embedded runner takes it.

        It is written after the exchanges before it, so the answer says that it was accepted, not that it was stored.
        """
        given = Given.read(body)
        if isinstance(given, Told):
            return given
        time_s = self._clock.now_s()
        if not declines(head):
            self._backlog.put(lambda: self._give(given, head, time_s))
        return Told(status=202, body=b'{"accepted":true}')

    def close(self) -> None:
        """Write what waits, within a second, and close the journal; its faults are logged."""
        if not self._backlog.close(timeout_s=_CLOSE_S):
            log.warning("closed before everything was recorded", extra=action("gateway.record.cut"))
        try:
            self._journal.close()
        except OSError as error:
            log.warning("closing the journal failed: %s", error, extra=action("gateway.record.failed"))

    def _keep(self, making: Making, how: Ending) -> None:
        ended = making.end(how)
        if ended is not None:
            exchange, answer = ended
            self._recent.add(exchange, answer.id)
            self._append(exchange)

    def _give(self, given: Given, head: Head, time_s: float) -> None:
        about = self._recent.find(given.id)
        if about is None:
            self._tally.add("unreadable", "feedback names no exchange of this gateway")
        elif about.permitted(self._permits, head):
            self._append(given.record(about.exchange_id, time_s))

    def _append(self, record: Exchange | Feedback) -> None:
        try:
            self._journal.append(record)
        except OSError as error:
            self._tally.add("failed", error)
        else:
            self._tally.add("recorded")


class _Scribe:
    """Has the steps of one exchange done on the backlog's thread."""

    def __init__(
        self, making: Making, backlog: Backlog, tally: Tally, keep: Callable[[Making, Ending], None]
    ) -> None:
        self.id = making.id
        self.done = False
        self._making: Making | None = making
        self._backlog = backlog
        self._tally = tally
        self._keep = keep
        self._held_bytes = 0

    def take(self, size_bytes: int) -> bool:
        granted = self._backlog.take(size_bytes)
        self._held_bytes += size_bytes if granted else 0
        return granted

    def ask(self, body: bytes) -> None:
        self._backlog.put(lambda: self._step(lambda making: making.ask(body)))

    def answering(self, head: Head) -> None:
        self._backlog.put(lambda: self._step(lambda making: making.answering(head)))

    def answered(self, pieces: bytes) -> None:
        self._backlog.put(lambda: self._step(lambda making: making.answered(pieces)))

    def end(self, how: Ending) -> None:
        self._backlog.put(lambda: self._end(how))

    def drop(self, why: str) -> None:
        self.done = True
        self._tally.add("dropped", why)

    def _step(self, step: Callable[[Making], bool]) -> None:
        if self.done or self._making is None:
            return
        going_on = False
        try:
            going_on = step(self._making)
        except DataError as error:
            self._unreadable(error)
        finally:
            if not going_on:
                self.done = True
                self._making = None

    def _end(self, how: Ending) -> None:
        try:
            if self._making is not None and not self.done:
                self._keep(self._making, how)
        except DataError as error:
            self._unreadable(error)
        finally:
            self._making = None
            self._backlog.give(self._held_bytes)

    def _unreadable(self, error: DataError) -> None:
        self._tally.add("dropped" if isinstance(error, TooLongError) else "unreadable", error)


def declines(head: Head) -> bool:
    """Whether the client says that this is not to be recorded."""
    return consent.declines(value for name, value in head.headers if name == consent.RECORD_HEADER)
