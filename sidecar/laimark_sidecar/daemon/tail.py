"""The watching thread: wakes on changes of the logs and moves what is new into the replay buffer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from laimark_sidecar.daemon.feeds import Feeds
from laimark_sidecar.errors import LaimarkError
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.ingest import ingest
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.sources.source import LogSource
from laimark_sidecar.sources.watch import Watcher

log = logging.getLogger(__name__)
RETRY_S = 5.0
STOP_S = 4.0


class Tail:
    """Owns one thread and one connection to the replay buffer; a context manager that stops both.

    A fault (a full disk, a locked database) is logged and tried again: the cursor has not moved, so nothing is lost.
    """

    def __init__(self, workshop: Workshop, sources: Sequence[LogSource]) -> None:
        self._workshop = workshop
        self._sources = sources
        self._feeds = Feeds(workshop)
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="laimark-tail", daemon=True)

    def __enter__(self) -> Self:
        self._wake.set()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._wake.set()
        self._thread.join(STOP_S)

    @property
    def alive(self) -> bool:
        """Whether the thread is running: expected failures it survives, a bug ends it."""
        return self._thread.is_alive()

    def _run(self) -> None:
        with self._workshop.store() as store:
            while not self._stop.is_set():
                self._feeds.refresh()
                own = tuple(path for source in self._sources for path in source.watch())
                with Watcher((*own, *self._feeds.folders()), self._wake.set):
                    self._watch(store)

    def _watch(self, store: ReplayStore) -> None:
        """Read whenever something changes, until another log was added or one removed."""
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            self._feeds.take_in(store, should_stop=self._stop.is_set)
            for source in self._sources:
                try:
                    ingest(self._workshop, store, source, should_stop=self._stop.is_set)
                except (LaimarkError, OSError) as error:
                    log.warning("%s: %s; trying again", source.name, error, extra=action("tail.fault"))
                    self._stop.wait(RETRY_S)
                    self._wake.set()
            if self._feeds.refresh():
                self._wake.set()
                return
