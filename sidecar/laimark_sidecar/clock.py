"""Time is an argument: nothing else in the project asks the machine what time it is."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time and monotonic time, both in seconds."""

    def now_s(self) -> float:
        """Return seconds since the Unix epoch (UTC)."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that never go back; only differences mean anything."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_s(self) -> float:
        return time.time()  # noqa: TID251 - the one place that may

    def monotonic_s(self) -> float:
        return time.monotonic()


def iso(seconds: float) -> str:
    """Render epoch seconds as UTC ISO 8601 with seconds, for example `2026-11-22T20:31:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(seconds: float) -> str:
    """Render epoch seconds as a UTC date, for example `2026-11-22`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
