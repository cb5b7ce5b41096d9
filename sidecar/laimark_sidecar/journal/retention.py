"""Deletes old conversation: whole segments, by when they were last written. A segment holds a day at most."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.files import fsync_dir
from laimark_sidecar.journal.erasing import erase
from laimark_sidecar.journal.segment import Segment, is_finished, list_segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """A segment and when its newest line was written."""

    segment: Segment
    newest_s: float
    size_bytes: int


def aged(folder: Path) -> tuple[Aged, ...]:
    """Return every segment with its age, oldest name first.

    The file's own time counts, not that of the lines: an imported conversation of years ago was recorded today.
    """
    found = []
    for segment in list_segments(folder):
        with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
            status = (folder / segment.name).stat()
            found.append(Aged(segment=segment, newest_s=status.st_mtime, size_bytes=status.st_size))
    return tuple(found)


def delete_older(folder: Path, *, before_s: float) -> tuple[Aged, ...]:
    """Delete what was last written before a moment, durably, and return it. Readers' cursors stay right.

    A segment that a living process may still append to is emptied in place instead: no line of it is lost.
    """
    listed = list_segments(folder)
    old = tuple(one for one in aged(folder) if one.newest_s < before_s)
    living = [one.segment for one in old if not is_finished(one.segment, listed)]
    erase(folder, bool, segments=living)
    for one in old:
        if one.segment not in living:
            (folder / one.segment.name).unlink(missing_ok=True)
    if old:
        fsync_dir(folder)
    return old
