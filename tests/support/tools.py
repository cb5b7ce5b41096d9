"""Small working stand-ins that several parts use."""

from __future__ import annotations


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_s: float) -> None:
        self.time_s = now_s

    def now_s(self) -> float:
        return self.time_s

    def monotonic_s(self) -> float:
        return self.time_s
