"""Is the runner at work? Exact, because every request passes here: the runner itself may not tell."""

from __future__ import annotations

from dataclasses import dataclass

from laimark_sidecar.clock import Clock
from laimark_sidecar.gateway.observing import Head

_LOOKS = ("/api/show", "/api/copy", "/api/blobs/", "/tokenize", "/detokenize", "/apply-template", "/laimark/")
"""POSTs that make the runner look something up and nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """One moment. `idle_s` counts from the end of the last request that was work; 0 while one runs."""

    busy: bool
    idle_s: float
    served: int
    """Requests that were work and have ended."""


class Traffic:
    """Counts the requests in flight. Lives on the event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._running = 0
        self._served = 0
        self._quiet_since_s = clock.monotonic_s()

    def begin(self) -> None:
        """Count a request that is work."""
        self._running += 1

    def end(self) -> None:
        """Count it as ended, however it did."""
        self._running -= 1
        self._served += 1
        self._quiet_since_s = self._clock.monotonic_s()

    def now(self) -> Now:
        """Return this moment."""
        busy = self._running > 0
        idle_s = 0.0 if busy else self._clock.monotonic_s() - self._quiet_since_s
        return Now(busy=busy, idle_s=idle_s, served=self._served)


def is_work(head: Head) -> bool:
    """Whether a request makes the runner compute: what is only looked up keeps nobody from training."""
    return head.method == "POST" and not head.target.startswith(_LOOKS)
