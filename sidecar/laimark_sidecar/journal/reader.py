"""Reads the conversation log from where it was left, in flat memory, and never stops at a bad line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.cursor import Cursor, Position, resume, sealed
from laimark_sidecar.journal.erasing import is_erased
from laimark_sidecar.journal.exchange import Exchange, Feedback, decode
from laimark_sidecar.journal.sealing import Opener
from laimark_sidecar.journal.segment import MAX_LINE_BYTES, is_finished, list_segments
from laimark_sidecar.logs import action

BATCH_BYTES = 32 << 20
"""A batch ends early when its lines amount to this many bytes: memory does not grow with the lines."""

_BLOCK_BYTES = 1 << 18
_BUFFER_BYTES = 1 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A line that could not be read, and why. It was stepped over."""

    segment: str
    offset: int
    """Byte at which the line begins."""
    reason: str
    """Never holds prompt text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one call read. Store `cursor` together with what was made of the records, or not at all."""

    records: tuple[Exchange | Feedback, ...]
    faults: tuple[Fault, ...]
    cursor: Cursor
    more: bool
    """Whether there is more to read at once."""


def read(folder: Path, cursor: Cursor | None, *, max_lines: int = 1000) -> Batch:
    """Return the next records of all segments, oldest segment first.

    A last line without its newline is left for later; if its writer is gone it is also reported, once. Files
    that vanish while this runs are passed over. A file that was replaced or cut shorter is read from its start.

    Args:
        folder: the journal; one that is not there is an empty one.
        cursor: of the batch before; None reads from the beginning.
        max_lines: at most this many lines, good or bad. Reading also stops after `BATCH_BYTES`.

    Raises:
        StateError: a line is sealed and the key is not there. With the key, the same cursor reads on.
        MissingExtraError: likewise, for want of the package that opens it.
    """
    known = cursor.positions if cursor else {}
    listed = list_segments(folder)
    opener = Opener(folder)
    budget = _Budget(lines=max_lines)
    positions: dict[str, Position] = {}
    records: list[Exchange | Feedback] = []
    faults: list[Fault] = []
    for segment in listed:
        name = segment.name
        try:
            handle = (folder / name).open("rb", buffering=_BUFFER_BYTES)
        except FileNotFoundError:
            continue
        with handle:
            lines = _Lines(handle, resume(handle, known.get(name)), budget)
            for offset, line in lines:
                if line is not None and is_erased(line):
                    continue
                outcome = _parse(opener, name, offset, line)
                if isinstance(outcome, Fault):
                    faults.append(outcome)
                else:
                    records.append(outcome)
            if lines.newly_torn and is_finished(segment, listed):
                faults.append(
                    Fault(segment=name, offset=lines.position.offset, reason="incomplete last line")
                )
                lines.remember_torn()
            positions[name] = sealed(handle, lines.position)
    if faults:
        first = faults[0]
        place = f"{first.segment}:{first.offset}: {first.reason}"
        _log.warning("%d lines skipped, the first at %s", len(faults), place, extra=action("journal.fault"))
    return Batch(
        records=tuple(records), faults=tuple(faults), cursor=Cursor(positions=positions), more=budget.spent
    )


def _parse(opener: Opener, name: str, offset: int, line: bytes | None) -> Exchange | Feedback | Fault:
    if line is None:
        return Fault(segment=name, offset=offset, reason=f"line is longer than {MAX_LINE_BYTES} bytes")
    try:
        return decode(opener.opened(line))
    except DataError as error:
        return Fault(segment=name, offset=offset, reason=str(error))


class _Budget:
    """What a batch may still take."""

    def __init__(self, *, lines: int) -> None:
        self._lines = lines
        self._bytes = BATCH_BYTES

    @property
    def spent(self) -> bool:
        return self._lines <= 0 or self._bytes <= 0

    def take(self, size_bytes: int) -> None:
        self._lines -= 1
        self._bytes -= size_bytes


class _Lines:
    """The complete lines of a segment from a position on, which moves with them.

    Yields the offset and content of each, or None in place of a content that is too long to be held.
    """

    def __init__(self, handle: BinaryIO, position: Position, budget: _Budget) -> None:
        self._handle = handle
        self._budget = budget
        self.position = position
        self._torn_bytes = 0

    @property
    def newly_torn(self) -> bool:
        return self._torn_bytes > self.position.torn_bytes

    def remember_torn(self) -> None:
        self.position = replace(self.position, torn_bytes=self._torn_bytes)

    def __iter__(self) -> Iterator[tuple[int, bytes | None]]:
        self._handle.seek(self.position.offset)
        if self.position.skipping:
            self._skip()
        while not self._budget.spent:
            offset = self.position.offset
            line = self._handle.readline(MAX_LINE_BYTES + 1)
            if not line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES:
                self._torn_bytes = len(line)
                return
            self._move(offset + len(line))
            self._budget.take(len(line))
            if line.endswith(b"\n"):
                yield offset, line
            else:
                self._skip()
                yield offset, None

    def _skip(self) -> None:
        """Go to the end of a line that is too long, block by block."""
        offset = self.position.offset
        while block := self._handle.readline(_BLOCK_BYTES):
            offset += len(block)
            if block.endswith(b"\n"):
                break
        self._move(offset, skipping=not block)

    def _move(self, offset: int, *, skipping: bool = False) -> None:
        self.position = replace(self.position, offset=offset, skipping=skipping, torn_bytes=0)
