"""Records the conversations that pass: an Observer that reads and writes off the event loop, and never breaks a chat.

Pieces are kept on the loop and read, checked against the user's consent and written on one thread, in their order. What
is not to be recorded is forgotten as soon as that is known: at once where the client declines (`X-Laimark-Record: off`),
when the request is whole where the model or client is not among those that are recorded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from laimark_sidecar.clock import Clock
from laimark_sidecar.gateway.backlog import HELD_BYTES, Backlog
from laimark_sidecar.gateway.dialects.table import dialect_of
from laimark_sidecar.gateway.exchanges import Making, Permits, Versions
from laimark_sidecar.gateway.feedback import About, Given, Recent, exchange_id_in, unknown
from laimark_sidecar.gateway.observing import Ending, Head, Told
from laimark_sidecar.gateway.recording import Recording
from laimark_sidecar.gateway.scribe import BacklogScribe
from laimark_sidecar.gateway.tally import Counts, Tally
from laimark_sidecar.journal import consent
from laimark_sidecar.journal.exchange import Exchange, Feedback
from laimark_sidecar.logs import action

log = logging.getLogger(__name__)

_LOOKS, _LOOK_S = 20, 0.05
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
        is_held: whether an exchange with this id is in the journal; called off the event loop.
        held_bytes: bound of the memory for exchanges under way.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        clock: Clock,
        permits: Permits,
        versions: Versions,
        is_held: Callable[[str], bool],
        held_bytes: int = HELD_BYTES,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._permits = permits
        self._versions = versions
        self._is_held = is_held
        self._searching = asyncio.Lock()
        self._under_way: set[str] = set()
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
        self._under_way.add(making.id)
        return Recording(
            BacklogScribe(making, self._backlog, self._tally, keep=self._keep, over=self._under_way.discard)
        )

    async def feedback(self, head: Head, body: bytes) -> Told:
        """Answer `POST /laimark/feedback`: what the user did with an answer, as the embedded runner takes it.

        It is written after the exchanges before it, so the answer says that it was accepted, not that it was stored.
        """
        given = Given.read(body)
        if isinstance(given, Told):
            return given
        time_s = self._clock.now_s()
        about = await self._about(given.id)
        if about is None:
            return unknown(given.id)
        if not declines(head):
            self._backlog.put(lambda: self._give(given, about, head, time_s))
        return Told(status=202, body=b'{"accepted":true}')

    async def _about(self, name: str) -> About | None:
        """Return the exchange of that name: among the newest, which are still being written, else in the journal."""
        exchange_id = exchange_id_in(name)
        about = await self._recent_one(name)
        for _ in range(_LOOKS):
            # A client may be faster than the end of the answer that it has just read.
            if about is not None or exchange_id not in self._under_way:
                break
            await asyncio.sleep(_LOOK_S)
            about = await self._recent_one(name)
        if about is not None or not exchange_id:
            return about
        async with self._searching:  # one reads the journal at a time: it may be gigabytes
            held = await asyncio.to_thread(self._is_held, exchange_id)
        return About(exchange_id=exchange_id, model="") if held else None

    async def _recent_one(self, name: str) -> About | None:
        """Return the exchange of that name among the newest, once what came before it is written."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[About | None] = loop.create_future()

        def look() -> None:
            about = self._recent.find(name)
            loop.call_soon_threadsafe(tell, about)

        def tell(about: About | None) -> None:
            if not found.done():  # who asked may have hung up
                found.set_result(about)

        self._backlog.put(look)
        return await found

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

    def _give(self, given: Given, about: About, head: Head, time_s: float) -> None:
        if about.permitted(self._permits, head, time_s=time_s):
            self._append(given.record(about.exchange_id, time_s))

    def _append(self, record: Exchange | Feedback) -> None:
        try:
            self._journal.append(record)
        except OSError as error:
            self._tally.add("failed", error)
        else:
            self._tally.add("recorded")


def declines(head: Head) -> bool:
    """Whether the client says that this is not to be recorded."""
    return consent.declines(value for name, value in head.headers if name == consent.RECORD_HEADER)
