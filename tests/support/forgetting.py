"""What tests of forgetting share: a conversation with a word of its own, versions that saw items, a grep over a home."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.support.homes import IDIOM, correction, take_in

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.journal.exchange import Exchange, Feedback
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.version import Version

SECRET = 'Zebra "Quux"\nStreet 99'
"""Has what JSON escapes."""
TRACES = ("Zebra", "Quux", "Street 99")


def append(home: Home, *records: Exchange | Feedback) -> None:
    with JournalWriter(home.journal, clock=SystemClock()) as writer:
        for record in records:
            writer.append(record)


def say_secret(workshop: Workshop, number: int = 900) -> tuple[Exchange, Exchange]:
    """Record a question and the correction of its answer, which holds the secret, and read it into the buffer."""
    pair = correction(number, target=f"{IDIOM}  # {SECRET}")
    append(workshop.home, *pair)
    take_in(workshop)
    return pair


def add_version(
    workshop: Workshop,
    name: str,
    *,
    sample_ids: Iterable[str] = (),
    core_records: Iterable[str] = (),
    parent: str = "",
    created_s: float = 1.0,
) -> Version:
    """Register a version with a lineage and lessons, whose adapter no runner can load."""
    version = Version(
        name=name,
        created_s=created_s,
        parent=parent,
        base=workshop.base.identity,
        objects={"adapter.gguf": workshop.registry.objects.put_bytes(b"no adapter")},
        cycle=f"cycle-{name[-4:]}",
        sample_ids=tuple(sample_ids),
        core_records=tuple(core_records),
        verdict="accepted",
    )
    workshop.registry.add(version)
    return version


def files_with(root: Path, *traces: str) -> list[Path]:
    """Return the files below a folder that hold any of these texts, as bytes."""
    return [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file() and any(trace.encode() in path.read_bytes() for trace in traces)
    ]
