"""Takes in what a log held before it was added."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from laimark_sidecar.errors import LockedError
from laimark_sidecar.files import exclusive
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.forget import carry_on
from laimark_sidecar.pipeline.ingest import ingest
from laimark_sidecar.pipeline.intake import Taken, take_in
from laimark_sidecar.pipeline.journal_source import journal_source
from laimark_sidecar.pipeline.recording import wanted
from laimark_sidecar.pipeline.source_list import opened
from laimark_sidecar.pipeline.source_state import SourceState, remember
from laimark_sidecar.pipeline.workshop import Report, Workshop
from laimark_sidecar.sources.added import Added, change_added, find, read_added, with_history
from laimark_sidecar.sources.source import LogSource

_BATCH_LINES = 4000
_LOCK_WAIT_S = 2.0
_FILES_COUNTED = 10_000


def import_lock(home: Home) -> Path:
    """Return the lock that is held while a history is taken in: the daemon leaves the logs alone meanwhile."""
    return home.root / "import.lock"


def import_history(workshop: Workshop, name: str, *, report: Report) -> Taken:
    """Take in everything that a log holds, into the journal and from there into the buffer.

    It may be broken off at any time: what was taken in stays, and the next time goes on behind it. A daemon that runs
    meanwhile does the rest of the learning.

    Raises:
        StateError: no such log, or it cannot be read.
        LockedError: another import runs.
    """
    home = workshop.home
    with (
        exclusive(import_lock(home), f"laimark-sidecar sources import {name}", wait_s=_LOCK_WAIT_S),
        workshop.store() as store,
    ):
        added = find(read_added(home.sources), name)
        if added.since_s > 0:
            # Its cursor is another one from now on, which stands at the beginning.
            change_added(home.sources, lambda held: with_history(held, name))
            added = find(read_added(home.sources), name)
        source = opened(added)
        whole = _size_bytes(added, source)

        def told(taken: Taken) -> None:
            seen = taken.records + taken.skipped + taken.faults
            report(
                f"{taken.records} records of {whole / 1e6:.0f} MB",
                min(0.99, seen * _RECORD_BYTES / max(whole, 1)),
            )

        taken = take_in(
            workshop,
            store,
            added,
            source,
            wanted=wanted(workshop),
            should_stop=lambda: False,
            batch_lines=_BATCH_LINES,
            told=told,
        )
        remember(workshop, name, SourceState().plus(taken))
        try:
            with exclusive(home.daemon_lock, f"laimark-sidecar sources import {name}"):
                report("learning from it", 0.99)
                ingest(workshop, store, journal_source(workshop), should_stop=lambda: False)
                carry_on(workshop, mine=True)
        except LockedError:
            pass  # the daemon tails the journal and does it
    report("done", 1.0)
    return taken


_RECORD_BYTES = 2000
"""What an exchange takes in a log, roughly: for the bar only."""


def _size_bytes(added: Added, source: LogSource) -> int:
    """Return roughly what there is to read: the bar needs no more, and a folder may hold a million files."""
    path = Path(added.path)
    if path.is_file():
        return path.stat().st_size
    files = (
        Path(folder, name)
        for place in source.watch()
        for folder, _, names in os.walk(place)
        for name in names
    )
    return sum(file.lstat().st_size for file in islice(files, _FILES_COUNTED) if file.exists())
