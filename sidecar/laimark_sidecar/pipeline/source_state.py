"""What became of the logs that were added, for `sources status`: a small file, of no consequence if it is lost."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.files import exclusive, write_atomic
from laimark_sidecar.pipeline.intake import Taken
from laimark_sidecar.pipeline.workshop import Workshop

_LOCK_WAIT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """Of one log."""

    records: int = 0
    """Taken in since it was added."""
    faults: int = 0
    """Entries that could not be read."""
    skipped: int = 0
    looked_s: float = 0.0
    """When something was last taken in, or went wrong."""
    error: str = ""
    """Why it cannot be read now; empty where it can."""

    def plus(self, taken: Taken) -> SourceState:
        """Return this state after something more was taken in."""
        return replace(
            self,
            records=self.records + taken.records,
            faults=self.faults + taken.faults,
            skipped=self.skipped + taken.skipped,
            error="",
        )


def states(workshop: Workshop) -> dict[str, SourceState]:
    """Return the state of each log by name; a damaged file is none."""
    try:
        return decode_json((workshop.home.control / "sources.json").read_bytes(), dict[str, SourceState])
    except (OSError, MalformedError):
        return {}


def remember(workshop: Workshop, name: str, news: SourceState) -> None:
    """Add the counts of `news` to what is known of a log, and take over its error. Nothing new writes nothing."""
    if _after(states(workshop), name, news) is None:
        return
    with _changing(workshop):
        held = states(workshop)
        after = _after(held, name, news)
        if after is not None:
            held[name] = replace(after, looked_s=workshop.clock.now_s())
            write_atomic(workshop.home.control / "sources.json", msgspec.json.encode(held))


def drop(workshop: Workshop, name: str) -> None:
    """Forget the state of a log that was removed."""
    with _changing(workshop):
        held = states(workshop)
        if held.pop(name, None) is not None:
            write_atomic(workshop.home.control / "sources.json", msgspec.json.encode(held))


def _after(held: dict[str, SourceState], name: str, news: SourceState) -> SourceState | None:
    before = held.get(name, SourceState())
    after = replace(
        before,
        records=before.records + news.records,
        faults=before.faults + news.faults,
        skipped=before.skipped + news.skipped,
        error=news.error,
    )
    return None if after == before else after


def _changing(workshop: Workshop) -> AbstractContextManager[None]:
    """Keep others from changing the file between our reading and our writing it."""
    lock = workshop.home.control / "sources.lock"
    return exclusive(lock, "laimark-sidecar sources", wait_s=_LOCK_WAIT_S)
