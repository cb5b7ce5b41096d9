"""Which files below a folder changed since the last look. Nothing is followed or opened but ordinary files."""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from laimark_sidecar.errors import DataError
from laimark_sidecar.sources.watermark import Watermark

MAX_DEPTH = 8


class Changed(NamedTuple):
    """A file that changed. Sorted by when, then by key."""

    when_s: float
    key: str
    """Its name below the place, as text that a cursor can hold: a name need not be UTF-8."""
    path: Path


def changed(place: Path, suffix: str, after: Watermark, limit: int) -> list[Changed]:
    """Return the first `limit` files that changed after a mark, in the order of change.

    Memory grows with `limit`, not with the files. Links are not followed: there is no way out and no circle.

    Args:
        place: a folder, or one file, whatever its name; what is not there (yet) is empty.
        suffix: of the names of files below a folder.
        after: the last file of the look before.
        limit: at most this many.

    Raises:
        OSError: the folder is there and cannot be read.
    """
    found = heapq.nsmallest(limit, _changes(place, suffix, (after.time_s, after.key)))
    return [Changed(when_s, key, Path(path)) for when_s, key, path in found]


def open_file(path: Path) -> BinaryIO:
    """Open what was an ordinary file when it was listed: a pipe in its place would hold us for ever.

    Raises:
        DataError: it is no ordinary file.
        OSError: it is gone or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise DataError(f"{path} is no ordinary file", hint="give the path of a file or of a folder")
    return file


def _changes(place: Path, suffix: str, after: tuple[float, str]) -> Iterator[tuple[float, str, str]]:
    begins = len(os.path.join(place, ""))  # noqa: PTH118 - a Path has no separator at its end
    for path in _files(str(place), suffix, MAX_DEPTH) if place.is_dir() else [str(place)]:
        try:
            held = os.lstat(path) if path != str(place) else place.stat()
        except OSError:
            continue  # gone since it was listed
        # The kernel sets the second one, so a file that is put back with its old time is seen, too.
        when_s = max(held.st_mtime_ns, held.st_ctime_ns) / 1e9
        if when_s < after[0]:
            continue  # nearly all of a hundred thousand files, at every look
        key = os.fsencode(path[begins:] or ".").decode("utf-8", "backslashreplace")
        if (when_s, key) > after and (stat.S_ISREG(held.st_mode) or path == str(place)):
            yield when_s, key, path


def _files(folder: str, suffix: str, depth: int) -> Iterator[str]:
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if depth:
                    yield from _files(entry.path, suffix, depth - 1)
            elif entry.name.endswith(suffix) and entry.is_file(follow_symlinks=False):
                yield entry.path
