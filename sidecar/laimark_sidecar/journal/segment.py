"""Names of the conversation log's files: they sort by time, and say which process writes them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

MAX_LINE_BYTES = 16 << 20
"""A longer line is not written, and one written by somebody else is skipped unread."""

_NAME = re.compile(r"(?P<stamp>\d{8}T\d{6}\.\d{3})-(?P<pid>\d{1,10})\.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Segment:
    """One file of the log. Ordered by its first moment, then by writer."""

    stamp: str
    """UTC, to the millisecond, for example `20261122T204512.123`."""
    pid: int
    """The process that writes it; nobody else ever does."""

    @property
    def name(self) -> str:
        return f"{self.stamp}-{self.pid}.jsonl"


def segment_at(time_ms: int, pid: int) -> Segment:
    """Return the segment that `pid` starts at `time_ms` (milliseconds since the Unix epoch)."""
    seconds, milliseconds = divmod(time_ms, 1000)
    moment = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%S")
    return Segment(stamp=f"{moment}.{milliseconds:03d}", pid=pid)


def parse_segment(name: str) -> Segment | None:
    """Return the segment with this file name, or None for a file that is not one."""
    match = _NAME.fullmatch(name)
    return Segment(stamp=match["stamp"], pid=int(match["pid"])) if match else None


def list_segments(folder: Path) -> tuple[Segment, ...]:
    """Return the segments in `folder`, oldest first; none if the folder does not exist (yet)."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return ()
    return tuple(sorted(segment for name in names if (segment := parse_segment(name))))


def is_finished(segment: Segment, listed: tuple[Segment, ...]) -> bool:
    """Whether its writer will most likely not append to it any more: it rotated, or it is gone.

    Only a hint for what to report: a writer in another container may be alive though its pid is not seen here.
    """
    rotated = any(other.pid == segment.pid and other.stamp > segment.stamp for other in listed)
    return rotated or not _is_alive(segment.pid)


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # there, signal 0 would terminate the process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
