"""One exchange as it passes, on the event loop: keeps the pieces and hands them over, nothing else."""

from __future__ import annotations

from typing import Protocol

from laimark_sidecar.gateway.dialects.encoding import MAX_BODY_BYTES
from laimark_sidecar.gateway.observing import Ending, Head

EXCHANGE_HEADER = "X-Laimark-Exchange"
"""Tells the client the id under which this exchange is recorded, if it is: for `POST /laimark/feedback`."""
_SLICE_BYTES = 16 << 10
"""Pieces are handed over by so many bytes: parsing them holds up the event loop for a fraction of a millisecond."""


class Scribe(Protocol):
    """Reads the pieces of one exchange elsewhere, in the order of the calls. The calls return at once."""

    @property
    def id(self) -> str:
        """The exchange's."""
        ...

    @property
    def done(self) -> bool:
        """Whether the pieces that come may be forgotten."""
        ...

    def take(self, size_bytes: int) -> bool:
        """Ask whether so many bytes more may be held."""
        ...

    def ask(self, body: bytes) -> None: ...

    def answering(self, head: Head) -> None: ...

    def answered(self, pieces: bytes) -> None: ...

    def end(self, how: Ending) -> None: ...

    def drop(self, why: str) -> None:
        """Forget the exchange."""
        ...


class Recording:
    """An Observation that hands over to a Scribe."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe
        self._pieces: list[bytes] = []
        self._size = 0
        self._handed = False
        self._silent = False

    def asked(self, chunk: bytes) -> None:
        self._hold(chunk)

    def asked_whole(self) -> None:
        # Handed over now, not when the answer begins: what answers is looked up at this moment.
        if not self._handed:
            self._hand_request()

    def answering(self, head: Head) -> tuple[tuple[str, str], ...]:
        if not 200 <= head.status < 300:
            self._silent = True
        if not self._handed:
            self._hand_request()
        if self._over:
            return ()
        self._scribe.answering(head)
        return ((EXCHANGE_HEADER, self._scribe.id),)

    def answered(self, chunk: bytes) -> None:
        if self._hold(chunk) and self._size >= _SLICE_BYTES:
            self._scribe.answered(self._taken())

    def ended(self, how: Ending) -> None:
        if self._handed and not self._over and self._pieces:
            self._scribe.answered(self._taken())
        self._scribe.end(how)

    @property
    def _over(self) -> bool:
        return self._silent or self._scribe.done

    def _hold(self, chunk: bytes) -> bool:
        if self._over:
            self._pieces.clear()
            return False
        self._size += len(chunk)
        if self._size > MAX_BODY_BYTES or not self._scribe.take(len(chunk)):
            self._pieces.clear()
            self._silent = True
            self._scribe.drop("more is under way than is held in memory, or the request is too long")
            return False
        self._pieces.append(chunk)
        return True

    def _hand_request(self) -> None:
        self._handed = True
        if not self._over:
            self._scribe.ask(self._taken())

    def _taken(self) -> bytes:
        pieces = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        return pieces
