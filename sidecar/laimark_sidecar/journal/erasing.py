"""Takes lines out of the log without moving any other: a line that goes is overwritten in place, at its own length.

That is the one edit in place of the project. A segment written anew would move what follows: every reader's offset
would be wrong, and a gateway that appends to the old file would write into nothing. Here offsets, inode and length stay,
and an appender only ever writes behind what is overwritten.

What is promised: whoever reads the file reads the text no more once this returns. Flash memory and file systems that copy
on write (btrfs, ZFS, APFS), snapshots and backups may keep old blocks; only an encrypted disk, or `journal.encrypt`,
speaks for those.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.files import fsync_file
from laimark_sidecar.journal.segment import Segment, is_finished, list_segments

ERASED = b'{"type":"erased","version":2}'
"""What an erased line begins with, filled up by spaces; a line shorter than this is all spaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line as it lies in its segment."""

    segment: str
    offset: int
    content: bytes
    """With its newline; a last line that a dead writer left incomplete has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What one call overwrote."""

    lines: int = 0
    size_bytes: int = 0


def is_erased(line: bytes) -> bool:
    """Say whether a line was taken out: it is no record, and no fault either. An empty line is a fault."""
    return line.startswith(ERASED) or (line.startswith(b" ") and not line.strip(b" \n"))


def lines_of(folder: Path) -> Iterator[Line]:
    """Yield every line that was not erased, oldest segment first. Takes the memory of the longest line."""
    listed = list_segments(folder)
    for segment in listed:
        try:
            with (folder / segment.name).open("rb") as handle:
                offset = 0
                for content in handle:
                    # What has no newline yet is still being written, or is cut off again by who writes it.
                    whole = content.endswith(b"\n") or is_finished(segment, listed)
                    if whole and not is_erased(content):
                        yield Line(segment=segment.name, offset=offset, content=content)
                    offset += len(content)
        except FileNotFoundError:  # deleted since it was listed
            continue


def erase(
    folder: Path, doomed: Callable[[bytes], bool], *, segments: Collection[Segment] | None = None
) -> Erased:
    """Overwrite every line that is `doomed`; durable when it returns. Calling it again is harmless.

    A crash leaves a line as it was, erased, or begun: one that was begun reads as erased already, and the next call
    clears what is left of it.

    Args:
        folder: the journal.
        doomed: asked of each line, as it stands.
        segments: only in these; None for all.

    Raises:
        OSError: the disk is full (where it copies on write) or not writable; what was erased so far stays erased.
    """
    listed = list_segments(folder)
    lines = size_bytes = 0
    for segment in listed if segments is None else segments:
        try:
            fd = os.open(folder / segment.name, os.O_RDWR)
        except FileNotFoundError:
            continue
        try:
            gone = _erase_in(fd, doomed, finished=is_finished(segment, listed))
        finally:
            os.close(fd)
        lines += gone.lines
        size_bytes += gone.size_bytes
    return Erased(lines=lines, size_bytes=size_bytes)


def _erase_in(fd: int, doomed: Callable[[bytes], bool], *, finished: bool) -> Erased:
    before = os.fstat(fd)
    lines = size_bytes = offset = 0
    touched = False
    with os.fdopen(os.dup(fd), "rb") as handle:
        for content in handle:
            begun = content.startswith(ERASED) and bool(content[len(ERASED) :].strip(b" \n"))
            whole = content.endswith(b"\n") or finished
            if begun or (whole and not is_erased(content) and doomed(content)):
                _overwrite(fd, offset, content)
                touched = True
                lines += 1
                size_bytes += len(content)
            offset += len(content)
    if touched:
        # The age of a segment is that of its newest line (see `journal.retention`): erasing makes nothing younger.
        os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
        fsync_file(fd)
    return Erased(lines=lines, size_bytes=size_bytes)


def _overwrite(fd: int, offset: int, content: bytes) -> None:
    end = b"\n" if content.endswith(b"\n") else b""
    length = len(content) - len(end)
    blank = memoryview((ERASED if length >= len(ERASED) else b"").ljust(length) + end)
    while blank:
        written = os.pwrite(fd, blank, offset)
        blank = blank[written:]
        offset += written
