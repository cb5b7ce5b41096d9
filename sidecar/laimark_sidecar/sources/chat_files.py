"""Reads a folder of chats, each a file that its program writes anew whenever something is said in it.

How far the folder was read is one time: a file that changed later is read again, and of it what is new is told. Of a
change that the clock of the file system cannot tell from the last look (within `SETTLED_S`), the next look tells.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from laimark_sidecar.clock import Clock
from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Exchange
from laimark_sidecar.journal.reader import Fault
from laimark_sidecar.sources import watermark
from laimark_sidecar.sources.changed_files import changed, open_file
from laimark_sidecar.sources.source import SourceBatch
from laimark_sidecar.sources.watermark import Watermark

MAX_BYTES = 64 << 20
"""A chat file that is larger is nobody's chat."""
SETTLED_S = 1.0
ANSWER_S = 3600.0
"""An answer's time is that of its beginning: one that began this long before the last look may have ended after it."""
_CAUGHT_UP = "caught up"

Parse = Callable[[bytes, float], Iterator[Exchange]]
"""Given the content of a file and the time of the last look, what was said since. Raises DataError."""


def read(
    folder: Path, suffix: str, parse: Parse, cursor: bytes | None, *, clock: Clock, max_lines: int
) -> SourceBatch:
    """Return what was said in files that changed since the cursor, in the order in which they changed.

    A file that is damaged, too large or gone meanwhile is a fault, stepped over; it is read again when it changes.

    Raises:
        StateError: the cursor is damaged or a newer version's.
        OSError: the folder is there and cannot be read.
    """
    marks = watermark.decode(cursor)
    after, since_s = marks.of("files"), marks.of(_CAUGHT_UP).time_s - ANSWER_S
    records: list[Exchange] = []
    faults: list[Fault] = []
    last = after
    listed = changed(folder, suffix, after, max_lines + 1)
    more = len(listed) > max_lines
    for changed_s, name, path in listed[:max_lines]:
        if changed_s > clock.now_s() - SETTLED_S:
            more = False
            break
        if len(records) + len(faults) >= max_lines:
            more = True
            break
        try:
            records += parse(_content(path), since_s)
        except (DataError, OSError) as error:
            faults.append(Fault(segment=name, offset=0, reason=_reason(error)))
        last = Watermark(time_s=changed_s, key=name)
    if last != after:
        marks = marks.moved("files", last)
    if not more and last != marks.of(_CAUGHT_UP):
        marks = marks.moved(_CAUGHT_UP, last)
    return SourceBatch(records=tuple(records), faults=tuple(faults), cursor=marks.encode(), more=more)


def _content(path: Path) -> bytes:
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BYTES:
            raise DataError(f"has {size} bytes, at most {MAX_BYTES} are read")
        return file.read(MAX_BYTES + 1)


def _reason(error: DataError | OSError) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)[:200]
