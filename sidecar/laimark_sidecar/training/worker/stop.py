"""A worker stops when it is asked to, or when its parent is gone: at once before training, at a step boundary in it."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

from laimark_sidecar.training.launch import EXIT_YIELDED

_PARENT_POLL_S = 0.5


class StopRequestedError(Exception):
    """Raised between micro-batches after SIGTERM; the unfinished step is discarded."""


class StopFlag:
    """Turns SIGTERM and SIGINT into a question that the loop asks between micro-batches.

    Until `defer` is called there is nothing worth saving, so the process ends inside the handler: imports of
    several seconds must not delay a yield.
    """

    def __init__(self) -> None:
        self.requested = False
        self._deferred = False

    def install(self) -> None:
        """Take over the signals; only the main thread may call it."""
        signal.signal(signal.SIGTERM, self._handle)
        signal.signal(signal.SIGINT, self._handle)

    def defer(self) -> None:
        """From now on a signal only sets the flag."""
        self._deferred = True

    def check(self) -> None:
        """Do nothing, or leave the step.

        Raises:
            StopRequestedError: a stop was asked for since the start.
        """
        if self.requested:
            raise StopRequestedError

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        self.requested = True
        if not self._deferred:
            os._exit(EXIT_YIELDED)


def watch_parent(parent_pid: int) -> None:
    """Send this process SIGTERM once it is no longer the child of `parent_pid`; polls in a daemon thread."""

    def watch() -> None:
        pause = threading.Event()
        while os.getppid() == parent_pid:
            pause.wait(_PARENT_POLL_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
