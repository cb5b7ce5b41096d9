"""Work that is done in order on a thread of its own, and how many bytes may wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

HELD_BYTES = 256 << 20
"""What is held of all exchanges that are under way; the one that would go beyond is not recorded."""

# The thread shares the interpreter with the event loop. Without a rest it works on each request of a burst while the
# loop should take the next one in: 64 first tokens at once came .4 ms later (median), with it as if nothing was recorded.
_REST_S = 0.0005
_FEW = 256
"""As many tasks may wait before there is no rest any more."""


class Backlog:
    """One thread and its queue.

    Args:
        complain: takes what a task raised: a bug in one must not end the others. Called on that thread.
        held_bytes: bound of what `take` grants.
    """

    def __init__(self, *, complain: Callable[[Exception], None], held_bytes: int = HELD_BYTES) -> None:
        self._complain = complain
        self._left = held_bytes
        self._lock = threading.Lock()
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="gateway-recorder", daemon=True)
        self._thread.start()

    def take(self, size_bytes: int) -> bool:
        """Ask for memory; False where there is not enough left."""
        with self._lock:
            granted = size_bytes <= self._left
            if granted:
                self._left -= size_bytes
            return granted

    def give(self, size_bytes: int) -> None:
        """Give memory back."""
        with self._lock:
            self._left += size_bytes

    def put(self, task: Callable[[], None]) -> None:
        """Have a task done after all before it."""
        self._tasks.put(task)

    def close(self, *, timeout_s: float) -> bool:
        """Do what waits, then end the thread; returns whether all was done in time."""
        self._closing = True
        self._tasks.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            if not self._closing and self._tasks.qsize() < _FEW:
                time.sleep(_REST_S)
            try:
                task()
            except Exception as error:  # noqa: BLE001 - a bug in one exchange must not end the recording of all others
                self._complain(error)
