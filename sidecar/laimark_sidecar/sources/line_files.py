"""Tails files of lines below a folder: rotated, cut, replaced, growing while they are read, a hundred thousand of them.

How far the folder was read is the time of the last file that was read to its end; within files it is an inode and an
offset, kept for the `KEPT` files that changed last. An older file that grows after all is read again from its start,
which is harmless, because ids of records are content hashes; so the cursor stays small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from laimark_sidecar.clock import Clock
from laimark_sidecar.decoding import decode_versioned
from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.cursor import Position, resume, sealed
from laimark_sidecar.journal.exchange import Exchange, Feedback
from laimark_sidecar.journal.lines import Budget, Lines
from laimark_sidecar.journal.reader import Fault
from laimark_sidecar.journal.segment import MAX_LINE_BYTES
from laimark_sidecar.sources.changed_files import changed, open_file
from laimark_sidecar.sources.source import SourceBatch
from laimark_sidecar.sources.watermark import Watermark

FORMAT_VERSION = 1
KEPT = 256
SETTLED_S = 1.0
"""A file that changed so lately may change again within one tick of its file system's clock: it is looked at once more."""

Parse = Callable[[bytes, str, float], Iterator[Exchange | Feedback]]
"""Given a line, the name of its file and when the file changed. Raises DataError, without any of the text in it."""


class _Cursor(msgspec.Struct, frozen=True, kw_only=True):
    done: Watermark = Watermark()
    positions: dict[str, Position] = {}
    """By name of file, the one that changed last at the end."""
    version: int = FORMAT_VERSION


def read(
    place: Path, parse: Parse, cursor: bytes | None, *, clock: Clock, max_lines: int, suffix: str = ".jsonl"
) -> SourceBatch:
    """Return what was written since the cursor, the files in the order in which they changed last.

    A bad line is a fault, stepped over, and so is a file that may not be read; a last line without its end is left for
    later; a file that is gone meanwhile is passed over.

    Raises:
        StateError: the cursor is damaged or a newer version's.
        DataError: `place` is neither a folder nor an ordinary file.
        OSError: it is there and cannot be read.
    """
    held = _decode(cursor)
    done, positions = held.done, dict(held.positions)
    budget, records, faults = Budget(lines=max_lines), list[Exchange | Feedback](), list[Fault]()
    listed = changed(place, suffix, done, max_lines + 1)
    more, unsettled = len(listed) > max_lines, 0
    for changed_s, name, path in listed[:max_lines]:
        if budget.spent:
            break
        unsettled += changed_s > clock.now_s() - SETTLED_S
        if unsettled >= KEPT // 2:  # of more than that no position is kept: they wait until they are settled
            more = False
            break
        try:
            handle = open_file(path)
        except FileNotFoundError:
            continue
        except (PermissionError, DataError) as error:
            faults.append(_passed_over(place, name, error))
            if not unsettled:
                done = Watermark(time_s=changed_s, key=name)
            continue
        with handle:
            lines = Lines(handle, resume(handle, positions.pop(name, None)), budget)
            for offset, line in lines:
                told = _parsed(parse, line, name, changed_s)
                if isinstance(told, DataError):
                    faults.append(Fault(segment=(place / name).name, offset=offset, reason=str(told)[:200]))
                else:
                    records += told
            positions[name] = sealed(handle, lines.position)
        if not unsettled and not budget.spent:
            done = Watermark(time_s=changed_s, key=name)
    latest = dict(list(positions.items())[-KEPT:])
    return SourceBatch(
        records=tuple(records),
        faults=tuple(faults),
        cursor=msgspec.json.encode(_Cursor(done=done, positions=latest)),
        more=budget.spent or more,
    )


def _passed_over(place: Path, name: str, error: OSError | DataError) -> Fault:
    """Return why one of many files is not read until it changes, as it does when its rights do; raises for a single one."""
    if not place.is_dir():
        raise error
    return Fault(segment=name, offset=0, reason=f"cannot be read: {type(error).__name__}")


def _parsed(
    parse: Parse, line: bytes | None, name: str, changed_s: float
) -> list[Exchange | Feedback] | DataError:
    if line is None:
        return DataError(f"line is longer than {MAX_LINE_BYTES} bytes")
    try:
        return list(parse(line, name, changed_s)) if line.strip() else []
    except DataError as error:
        return error


def _decode(cursor: bytes | None) -> _Cursor:
    if cursor is None:
        return _Cursor()
    return decode_versioned(
        cursor,
        _Cursor,
        newest=FORMAT_VERSION,
        what="a source's cursor",
        hint="laimark-sidecar sources status",
    )
