"""The logs that the user added, as the daemon reads them: one that fails is told, waited for, and stops no other."""

from __future__ import annotations

import logging
from pathlib import Path

from laimark_sidecar.errors import LaimarkError
from laimark_sidecar.files import is_held
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.intake import take_in
from laimark_sidecar.pipeline.recording import wanted
from laimark_sidecar.pipeline.source_import import import_lock
from laimark_sidecar.pipeline.source_list import opened
from laimark_sidecar.pipeline.source_state import SourceState, remember
from laimark_sidecar.pipeline.workshop import ShouldStop, Workshop
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.sources.added import Added, read_added
from laimark_sidecar.sources.source import LogSource

log = logging.getLogger(__name__)
FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 300.0


class Feeds:
    """Belongs to the tail's thread. The list is read anew at each look: a log may be added while the daemon runs."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._added: tuple[Added, ...] = ()
        self._sources: dict[str, LogSource] = {}
        self._waiting: dict[str, _Wait] = {}

    def refresh(self) -> bool:
        """Read the list of logs; returns whether it is another one than before."""
        try:
            added = read_added(self._workshop.home.sources)
        except (LaimarkError, OSError) as error:
            log.warning("%s", error, extra=action("feeds.list"))
            return False
        if added == self._added:
            return False
        self._added, self._sources, self._waiting = added, {}, {}
        for one in added:
            try:
                self._sources[one.name] = opened(one)
            except LaimarkError as error:
                self._failed(one, error)
        return True

    def folders(self) -> tuple[Path, ...]:
        """Return what to watch."""
        return tuple(path for source in self._sources.values() for path in source.watch())

    def take_in(self, store: ReplayStore, *, should_stop: ShouldStop) -> None:
        """Read every log to its present end, but those that failed a moment ago; none while an import reads one."""
        importing = import_lock(self._workshop.home)

        def leave() -> bool:
            return should_stop() or is_held(importing)

        for one in self._added:
            wait = self._waiting.get(one.name)
            source = self._sources.get(one.name)
            if leave() or source is None or (wait and wait.until_s > self._workshop.clock.monotonic_s()):
                continue
            try:
                taken = take_in(
                    self._workshop, store, one, source, wanted=wanted(self._workshop), should_stop=leave
                )
            except (LaimarkError, OSError) as error:
                self._failed(one, error)
            else:
                self._waiting.pop(one.name, None)
                remember(self._workshop, one.name, SourceState().plus(taken))

    def _failed(self, one: Added, error: LaimarkError | OSError) -> None:
        before = self._waiting.get(one.name)
        wait_s = min(2 * before.s, LONGEST_WAIT_S) if before else FIRST_WAIT_S
        self._waiting[one.name] = _Wait(wait_s, self._workshop.clock.monotonic_s() + wait_s, str(error))
        if before is None or before.reason != str(error):
            log.warning("%s: %s; trying again", one.name, error, extra=action("feeds.fault"))
            remember(self._workshop, one.name, SourceState(error=str(error)))


class _Wait:
    """How long a log that failed is left alone."""

    def __init__(self, s: float, until_s: float, reason: str) -> None:
        self.s, self.until_s, self.reason = s, until_s, reason
