"""Keeps a fault of who watches away from what passes (fail-open)."""

from __future__ import annotations

import logging
from collections.abc import Callable

from laimark_sidecar.clock import Clock
from laimark_sidecar.gateway.headers import Headers
from laimark_sidecar.gateway.observing import Ending, Head, Observation, Observer
from laimark_sidecar.logs import action

log = logging.getLogger(__name__)
_WARN_EVERY_S = 60.0


class Complaints:
    """Logs faults, once a minute: a fault that comes with every token must not fill the disk."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told_s = float("-inf")
        self.count = 0

    def add(self, what: str, error: Exception) -> None:
        """Take one fault."""
        self.count += 1
        now_s = self._clock.monotonic_s()
        if now_s - self._told_s >= _WARN_EVERY_S:
            self._told_s = now_s
            log.warning(
                "recording failed while %s; the chat goes on",
                what,
                exc_info=error,
                extra=action("gateway.fault"),
            )


class Watch:
    """One request's observation; does nothing where there is none, and nothing more after its first fault."""

    def __init__(self, observer: Observer, head: Head, complaints: Complaints) -> None:
        self._complaints = complaints
        self._observation: Observation | None = None
        self._guarded("beginning", lambda: self._begin(observer, head))

    def asked(self, chunk: bytes) -> None:
        """Tell a piece of the request."""
        if self._observation is not None:
            self._guarded("reading the request", lambda: self._on().asked(chunk))

    def asked_whole(self) -> None:
        """Tell that this was the whole request."""
        if self._observation is not None:
            self._guarded("reading the request", lambda: self._on().asked_whole())

    def answering(self, head: Head) -> Headers:
        """Tell the head of the answer; returns what is added to it."""
        added: list[tuple[str, str]] = []
        if self._observation is not None:
            self._guarded("reading the answer", lambda: added.extend(self._on().answering(head)))
        return tuple(added)

    def answered(self, chunk: bytes) -> None:
        """Tell a piece of the answer."""
        if self._observation is not None:
            self._guarded("reading the answer", lambda: self._on().answered(chunk))

    def ended(self, how: Ending) -> None:
        """Tell the end, once."""
        if self._observation is not None:
            self._guarded("ending", lambda: self._on().ended(how))
        self._observation = None

    def _begin(self, observer: Observer, head: Head) -> None:
        self._observation = observer.begin(head)

    def _on(self) -> Observation:
        assert self._observation is not None
        return self._observation

    def _guarded(self, what: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever recording does wrong, a chat is not broken by it
            observation, self._observation = self._observation, None
            self._complaints.add(what, error)
            if observation is not None and what != "ending":
                self._observation = observation
                self.ended("failed")
