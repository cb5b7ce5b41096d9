"""Who moved which ref, when, from where to where and why: append-only, each line chained to the one before.

Line k holds the hash of line k-1, so a line that was changed, dropped or put in later breaks the chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from laimark_sidecar import files
from laimark_sidecar.decoding import MalformedError, decode_json

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One ref's step. Versions by name; empty for the base."""

    ref: str
    before: str
    after: str | None
    """None: the ref was removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line: all the moves that happened in one atomic step."""

    seq: int
    """Counts from 1."""
    time_s: float
    who: str
    reason: str
    moves: tuple[Move, ...]
    previous: str
    """`hash` of the entry before; empty for the first."""
    hash: str = ""
    """sha256 of this entry with `hash` empty."""
    format: int = FORMAT_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Reflog:
    """What was found in the file: `entries` in order, and every break of the chain as a sentence."""

    entries: tuple[Entry, ...]
    breaks: tuple[str, ...]
    torn: bool
    """The last line was cut off by a crash."""


def chain(last: Entry | None, *, time_s: float, who: str, reason: str, moves: tuple[Move, ...]) -> Entry:
    """Return the entry that follows `last`, hashed."""
    entry = Entry(
        seq=last.seq + 1 if last else 1,
        time_s=time_s,
        who=who,
        reason=reason,
        moves=moves,
        previous=last.hash if last else "",
    )
    return replace(entry, hash=digest(entry))


def digest(entry: Entry) -> str:
    """Return the hash that `entry` must carry."""
    return hashlib.sha256(msgspec.json.encode(replace(entry, hash=""))).hexdigest()


def replay(entries: Iterable[Entry]) -> dict[str, str]:
    """Return where the refs are after all these moves."""
    last = {move.ref: move.after for entry in entries for move in entry.moves}
    return {ref: after for ref, after in last.items() if after is not None}


def read(path: Path) -> Reflog:
    """Read the log, tolerating a torn last line; a missing file is an empty log."""
    content = path.read_bytes() if path.exists() else b""
    whole, _, tail = content.rpartition(b"\n")
    entries: list[Entry] = []
    breaks: list[str] = []
    last: Entry | None = None
    for number, line in enumerate(whole.split(b"\n") if whole else (), start=1):
        try:
            entry = decode_json(line, Entry)
        except MalformedError as error:
            breaks.append(f"line {number} is damaged: {error}")
            continue
        if entry.hash != digest(entry):
            breaks.append(f"line {number} was changed after it was written")
        elif entry.previous != (last.hash if last else "") or entry.seq != (last.seq + 1 if last else 1):
            breaks.append(f"line {number} does not follow the line before it")
        entries.append(entry)
        last = entry
    return Reflog(entries=tuple(entries), breaks=tuple(breaks), torn=bool(tail))


def catch_up(path: Path, last: Entry | None) -> None:
    """Bring the file up to `last`, the newest entry that was committed, after a crash between the two.

    A torn tail is cut off first: it is the beginning of that same entry. Nothing else is ever rewritten.

    Raises:
        OSError: the disk is full or the file is not writable; calling again goes on from there.
    """
    log = read(path)
    if log.torn:
        content = path.read_bytes()
        files.write_atomic(path, content[: content.rfind(b"\n") + 1])
    if last is not None and (not log.entries or log.entries[-1] != last):
        files.append_durable(path, msgspec.json.encode(last) + b"\n")
