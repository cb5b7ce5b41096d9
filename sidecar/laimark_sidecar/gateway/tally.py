"""How recording goes: counts for `GET /laimark/activity`, and a log line a minute where it goes wrong."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import Literal

from laimark_sidecar.clock import Clock
from laimark_sidecar.errors import LaimarkError
from laimark_sidecar.logs import action

log = logging.getLogger(__name__)

Outcome = Literal["recorded", "dropped", "unreadable", "failed"]
_WARN_EVERY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of what passed and was to be recorded, since the gateway began."""

    recorded: int = 0
    """Exchanges and feedback in the journal."""
    dropped: int = 0
    """More passed at once than is held in memory, or one was too long."""
    unreadable: int = 0
    """Not what its path promises, or in an encoding that is not known."""
    failed: int = 0
    """The journal did not take it: disk full, folder gone."""


class Tally:
    """Counts outcomes, on any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts = Counts()
        self._told_s: dict[Outcome, float] = {}

    @property
    def counts(self) -> Counts:
        """What was counted up to now."""
        return self._counts

    def add(self, outcome: Outcome, why: str | Exception = "") -> None:
        """Count one; what is not `recorded` is told at most once a minute: a full disk must not fill the log as well.

        Args:
            outcome: what became of it.
            why: told with it; never prompt text. An unexpected error is told with its traceback.
        """
        with self._lock:
            count: int = getattr(self._counts, outcome) + 1
            self._counts = replace(self._counts, **{outcome: count})
            if outcome == "recorded":
                return
            now_s = self._clock.monotonic_s()
            if now_s - self._told_s.get(outcome, float("-inf")) < _WARN_EVERY_S:
                return
            self._told_s[outcome] = now_s
        log.warning(
            "not recorded (%s, number %d): %s; the chat goes on",
            outcome,
            count,
            why,
            exc_info=_unexpected(why),
            extra=action(f"gateway.record.{outcome}"),
        )


def _unexpected(why: str | Exception) -> Exception | None:
    return None if isinstance(why, str | LaimarkError | OSError) else why
