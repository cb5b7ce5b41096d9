"""Reads the conversation log from where it was left, in flat memory, and never stops at a bad line."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.cursor import Cursor, Position, resume, sealed
from laimark_sidecar.journal.erasing import is_erased
from laimark_sidecar.journal.exchange import Exchange, Feedback, decode
from laimark_sidecar.journal.lines import Budget, Lines
from laimark_sidecar.journal.sealing import Opener
from laimark_sidecar.journal.segment import MAX_LINE_BYTES, is_finished, list_segments
from laimark_sidecar.logs import action

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
        max_lines: at most this many lines, good or bad. Reading also stops after `lines.BATCH_BYTES`.

    Raises:
        StateError: a line is sealed and the key is not there. With the key, the same cursor reads on.
        MissingExtraError: likewise, for want of the package that opens it.
    """
    known = cursor.positions if cursor else {}
    listed = list_segments(folder)
    opener = Opener(folder)
    budget = Budget(lines=max_lines)
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
            lines = Lines(handle, resume(handle, known.get(name)), budget)
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
