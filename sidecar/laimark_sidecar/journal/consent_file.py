"""The user's consent as it is written down now, for a process that asks with every exchange."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from laimark_sidecar.errors import StateError
from laimark_sidecar.journal.consent import Consent, read_consent
from laimark_sidecar.logs import action

log = logging.getLogger(__name__)


class ConsentFile:
    """Reads the file again when it is another one: `logs off` holds from the next exchange on. Any thread may ask."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = (0, 0, 0)
        self._consent: Consent | None = None

    def now(self) -> Consent | None:
        """Return the consent; None where it cannot be read: not knowing what the user wants, nothing is kept."""
        with self._lock:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._consent = read_consent(self._path)
                except (StateError, OSError) as error:
                    self._consent = None
                    log.error("nothing is recorded: %s", error, extra=action("consent.unreadable"))
            return self._consent


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        held = path.stat()
    except OSError:
        return None
    return held.st_ino, held.st_mtime_ns, held.st_size
