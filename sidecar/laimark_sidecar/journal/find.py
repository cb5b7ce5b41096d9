"""Finds one record in the journal by its id: rare, so a scan of the bytes and no index."""

from __future__ import annotations

import mmap
from pathlib import Path

from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Exchange, Feedback, decode
from laimark_sidecar.journal.sealing import Opener

LONGEST_LINE = 16 << 20


def find_exchange(folder: Path, exchange_id: str) -> Exchange | None:
    """Return the exchange; None if it is not in the journal (any more), or is no exchange."""
    found = find_record(folder, exchange_id)
    return found if isinstance(found, Exchange) else None


def find_record(folder: Path, record_id: str) -> Exchange | Feedback | None:
    """Return the exchange or feedback, newest segment first; None if it is not in the journal (any more).

    Lines are searched as bytes in memory-mapped segments, so the memory taken is that of one line.
    """
    opener = Opener(folder)
    needle = f'"id":"{record_id}"'.encode()
    for segment in sorted(folder.glob("*.jsonl"), reverse=True):
        try:
            found = _search(segment, needle, record_id, opener)
        except FileNotFoundError:  # deleted since it was listed
            continue
        if found:
            return found
    return None


def _search(segment: Path, needle: bytes, record_id: str, opener: Opener) -> Exchange | Feedback | None:
    if segment.stat().st_size == 0:  # what is empty cannot be mapped
        return None
    with segment.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(needle)
        while at >= 0:
            found = _record(content, at, record_id, opener)
            if found:
                return found
            at = content.find(needle, at + 1)
    return None


def _record(content: mmap.mmap, at: int, record_id: str, opener: Opener) -> Exchange | Feedback | None:
    start = content.rfind(b"\n", max(0, at - LONGEST_LINE), at) + 1
    end = content.find(b"\n", at, at + LONGEST_LINE)
    if end < 0:
        return None
    try:
        record = decode(opener.opened(content[start:end]))
    except DataError:
        return None
    return record if record.id == record_id else None
