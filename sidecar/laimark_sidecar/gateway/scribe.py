"""Takes the steps of one exchange off the event loop, in their order, and answers for the memory that it holds."""

from __future__ import annotations

from collections.abc import Callable

from laimark_sidecar.errors import DataError
from laimark_sidecar.gateway.backlog import Backlog
from laimark_sidecar.gateway.dialects.encoding import TooLongError
from laimark_sidecar.gateway.exchanges import Making
from laimark_sidecar.gateway.observing import Ending, Head
from laimark_sidecar.gateway.tally import Tally


class BacklogScribe:
    """Has the steps of one exchange done on the backlog's thread; a `recording.Scribe`."""

    def __init__(
        self,
        making: Making,
        backlog: Backlog,
        tally: Tally,
        *,
        keep: Callable[[Making, Ending], None],
        over: Callable[[str], None],
    ) -> None:
        self.id = making.id
        self.done = False
        self._making: Making | None = making
        self._backlog = backlog
        self._tally = tally
        self._keep = keep
        self._over = over
        self._held_bytes = 0
        """As it is on the wire; counted on the event loop."""
        self._unpacked_bytes = 0
        """What it stands for beyond that; counted on the backlog's thread."""

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
            going_on = step(self._making) and self._fits(self._making)
        except DataError as error:
            self._unreadable(error)
        finally:
            if not going_on:
                self.done = True
                self._making = None

    def _fits(self, making: Making) -> bool:
        """Take memory for what a compressed body stands for, too: kilobytes may be megabytes."""
        more = making.unpacked_bytes - self._held_bytes - self._unpacked_bytes
        if more <= 0:
            return True
        if not self._backlog.take(more):
            self._tally.add("dropped", "more is under way than is held in memory")
            return False
        self._unpacked_bytes += more
        return True

    def _end(self, how: Ending) -> None:
        try:
            if self._making is not None and not self.done:
                self._keep(self._making, how)
        except DataError as error:
            self._unreadable(error)
        finally:
            self._making = None
            self._backlog.give(self._held_bytes + self._unpacked_bytes)
            self._over(self.id)

    def _unreadable(self, error: DataError) -> None:
        self._tally.add("dropped" if isinstance(error, TooLongError) else "unreadable", error)
