"""The journal of intent: what was about to be done to the runner and the refs, written before it is done.

A move needs two systems, the runner and the refs. After a crash the pipeline finds the intent and finishes it or
takes it back; without one, nothing was half done. The refs decide which, so a damaged intent loses nothing: it is
set aside as `intent.json.damaged-<date>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from laimark_sidecar import files
from laimark_sidecar.clock import day
from laimark_sidecar.errors import StateError
from laimark_sidecar.registry import documents
from laimark_sidecar.registry.documents import DamagedError

FORMAT_VERSION = 1
DAMAGED = "damaged"
"""Begins what is added to the file's name when it is set aside."""


Kind = Literal["promote", "rollback", "use", "cp", "rm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One move that is under way. Versions by name; empty for the base."""

    kind: Kind
    target: str
    previous_latest: str
    previous_prev: str
    created_s: float
    ref: str = "latest"
    """Where it is after the crash tells whether the move counts."""
    format: int = FORMAT_VERSION


@dataclass(frozen=True, slots=True)
class IntentJournal:
    """At most one intent, in one file that is there or not."""

    path: Path

    def begin(self, intent: Intent) -> None:
        """Record the intent; durable when it returns. The same one again is harmless.

        Raises:
            StateError: another one is unfinished.
        """
        current = self.current()
        if current is not None and current != intent:
            raise StateError(
                f"an interrupted {current.kind} of {current.target or 'base'} is not finished yet",
                hint="laimark-sidecar run finishes it; laimark-sidecar status shows it",
            )
        files.write_atomic(self.path, documents.encode(intent))

    def current(self) -> Intent | None:
        """Return the unfinished intent, if there is one.

        Raises:
            DamagedError: the file is damaged.
            StateError: it cannot be read, or is of a newer format.
        """
        return documents.read(self.path, Intent, newest=FORMAT_VERSION) if self.pending() else None

    def pending(self) -> bool:
        """Whether a move is unfinished, readable or not."""
        return self.path.exists()

    def set_aside(self, *, now_s: float) -> Path:
        """Keep a damaged intent under another name, which holds the date, and return that; durable when it returns.

        Nothing is deleted: what it said is for people now. The refs say what counts, so call this once the runner
        follows them.

        Raises:
            StateError: the intent can be read, or a newer program wrote it.
        """
        try:
            self.current()
        except DamagedError:
            return files.set_aside(self.path, f"{DAMAGED}-{day(now_s)}")
        raise StateError(f"{self.path} is not damaged", hint="laimark-sidecar run finishes the move")

    def done(self) -> None:
        """Forget the intent: it was finished or taken back. Durable when it returns; without one, nothing happens."""
        if self.pending():
            self.path.unlink()
            files.fsync_dir(self.path.parent)
