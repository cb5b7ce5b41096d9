"""Takes in what a log held before it was added."""

from __future__ import annotations

from pathlib import Path

from laimark_sidecar.errors import LockedError
from laimark_sidecar.files import exclusive
from laimark_sidecar.pipeline.ingest import ingest
from laimark_sidecar.pipeline.intake import Taken, take_in
from laimark_sidecar.pipeline.journal_source import journal_source
from laimark_sidecar.pipeline.recording import wanted
from laimark_sidecar.pipeline.source_list import opened
from laimark_sidecar.pipeline.source_state import SourceState, remember
from laimark_sidecar.pipeline.workshop import Report, Workshop
from laimark_sidecar.sources.added import Added, find, read_added, with_history, write_added


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
        exclusive(home.root / "import.lock", f"laimark-sidecar sources import {name}"),
        workshop.store() as store,
    ):
        added = find(read_added(home.sources), name)
        if added.since_s > 0:
            # The history is wanted before it is read: a crash between the two reads it again, never leaves it out.
            store.move_cursor(added.cursor, None)
            write_added(home.sources, with_history(read_added(home.sources), name))
            added = find(read_added(home.sources), name)
        whole = _size_bytes(added)

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
            opened(added),
            wanted=wanted(workshop),
            should_stop=lambda: False,
            told=told,
        )
        remember(workshop, name, SourceState().plus(taken))
        try:
            with exclusive(home.daemon_lock, f"laimark-sidecar sources import {name}"):
                report("learning from it", 0.99)
                ingest(workshop, store, journal_source(workshop), should_stop=lambda: False)
        except LockedError:
            pass  # the daemon tails the journal and does it
    report("done", 1.0)
    return taken


_RECORD_BYTES = 2000
"""What an exchange takes in a log, roughly: for the bar only."""


def _size_bytes(added: Added) -> int:
    path = Path(added.path)
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file() and not one.is_symlink())
