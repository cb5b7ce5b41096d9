"""Says what is being waited for: whoever looks at a silent command cannot tell a slow server from a broken one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from laimark_sidecar.logs import action

log = logging.getLogger(__name__)
PATIENCE_S = 5.0


@contextmanager
def waiting(whom: str, what: str, *, longest_s: float, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Log once, where the block takes longer than `patience_s`, what is waited for and how long at most.

    Args:
        whom: for example `Ollama at http://127.0.0.1:11434`.
        what: it is to do, for example `create me:latest`.
        longest_s: when the block gives up, for the message.
        patience_s: how long nothing is said.
    """

    def tell() -> None:
        log.info(
            "waiting for %s to %s (%.0f s at most)", whom, what, longest_s, extra=action("ollama.waiting")
        )

    timer = threading.Timer(patience_s, tell)
    timer.name, timer.daemon = "ollama-waiting", True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
