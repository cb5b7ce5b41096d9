"""Wakes the reader when a log changes: by file system events, and by the clock where those are lost.

Events only shorten the wait. A network file system without them, a folder that does not exist yet, an exhausted
inotify limit: each costs at most `poll_s`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from laimark_sidecar.logs import action

# Opened and closed-without-writing are left out: our own reading would wake us for ever.
_CHANGES: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
_DEBOUNCE_S = 0.05
_log = logging.getLogger(__name__)


class _Notice(FileSystemEventHandler):
    """Any change sets the flag; many changes set it once."""

    def __init__(self, changed: threading.Event) -> None:
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._changed.set()


class Watcher:
    """Calls `wake` soon after something changes under `paths`, and at least every `poll_s` seconds.

    `wake` is called on the watcher's own thread, never twice at once, and must not raise; usually it is the
    `set` of an event. Once started and stopped it cannot be started again.

    Args:
        paths: folders, watched with all that is in them, and files, of which only their own folder is watched; those
            that do not exist are looked for again.
        wake: called without arguments. Changes in quick succession make one call.
        poll_s: longest time between two calls.
    """

    def __init__(self, paths: Iterable[Path], wake: Callable[[], None], *, poll_s: float = 5.0) -> None:
        self._unwatched = list(paths)
        self._wake = wake
        self._poll_s = poll_s
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._observer = Observer()
        self._observer.name = "laimark-watch-events"
        self._observing = False
        self._thread = threading.Thread(target=self._run, name="laimark-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch. The first `wake` comes at once: the log may have grown while nobody looked."""
        self._changed.set()
        try:
            self._observer.start()
            self._observing = True
        except OSError as error:
            _log.warning("no file system events, polling: %s", error, extra=action("watch.poll"))
        self._watch_new_folders()
        self._thread.start()

    def stop(self) -> None:
        """Stop both threads; `wake` is not called any more when this returns. Not from within `wake`."""
        self._stopping.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._observing:
            self._observing = False
            self._observer.stop()
            self._observer.join()

    def __enter__(self) -> Watcher:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._changed.wait(self._poll_s):
                self._stopping.wait(_DEBOUNCE_S)
            self._changed.clear()
            if self._stopping.is_set():
                return
            self._watch_new_folders()
            self._wake()

    def _watch_new_folders(self) -> None:
        if not self._observing:
            return
        for path in [path for path in self._unwatched if path.exists()]:
            # A program may replace its file by another one: what is watched is where that happens. Never what lies
            # below: the folder of a single file may be somebody's whole home.
            folder, recursive = (path, True) if path.is_dir() else (path.parent, False)
            try:
                self._observer.schedule(
                    _Notice(self._changed), str(folder), recursive=recursive, event_filter=_CHANGES
                )
            except OSError as error:  # tried again after each poll: limits can be raised, folders come back
                _log.warning("%s cannot be watched, polling: %s", path, error, extra=action("watch.poll"))
            else:
                self._unwatched.remove(path)
