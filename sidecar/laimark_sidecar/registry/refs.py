"""The pointers that move: `latest`, `prev`. All of them change in one atomic step, or none does.

`refs.json` is the commit point: it holds the refs *and* the newest reflog entry, so a crash before the entry
reached `reflog.jsonl` loses nothing; the next move writes it there first.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar import files
from laimark_sidecar.errors import StateError
from laimark_sidecar.logs import action
from laimark_sidecar.registry import documents, reflog
from laimark_sidecar.registry.names import validate_ref

FORMAT_VERSION = 1
START: dict[str, str] = {"latest": "", "prev": ""}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefsFile:
    """What `refs.json` holds. A ref maps to a version's name; empty for the base."""

    refs: dict[str, str]
    last: reflog.Entry | None
    format: int = FORMAT_VERSION


def read(path: Path, reflog_path: Path) -> RefsFile:
    """Read the refs; before the first move they all point at the base.

    Raises:
        StateError: damaged, of a newer format, or gone although refs were moved before.
    """
    if path.exists():
        return documents.read(path, RefsFile, newest=FORMAT_VERSION)
    if reflog_path.exists():
        raise StateError(
            f"{path} is gone, but {reflog_path.name} says that refs were moved", hint="laimark-sidecar check"
        )
    return RefsFile(refs=dict(START), last=None)


def moves(refs: Mapping[str, str], changes: Mapping[str, str | None]) -> tuple[reflog.Move, ...]:
    """Return the steps that really change something, in order of the refs' names; None removes a ref."""
    return tuple(
        reflog.Move(ref=ref, before=refs.get(ref, ""), after=changes[ref])
        for ref in sorted(changes)
        if refs.get(ref) != changes[ref]
    )


def write(
    path: Path,
    reflog_path: Path,
    current: RefsFile,
    changes: Mapping[str, str | None],
    *,
    time_s: float,
    who: str,
    reason: str,
) -> RefsFile:
    """Move refs in one step and record it; the caller holds the lock. No change, no entry.

    Raises:
        DataError: a ref's name is malformed or reserved; nothing was moved.
        OSError: nothing was moved.
    """
    for ref in changes:
        validate_ref(ref)
    steps = moves(current.refs, changes)
    if not steps:
        return current
    entry = reflog.chain(current.last, time_s=time_s, who=who, reason=reason, moves=steps)
    after = {**current.refs, **changes}
    kept = {ref: name for ref, name in after.items() if name is not None}
    return _commit(path, reflog_path, current, RefsFile(refs=kept, last=entry), entry)


def note(
    path: Path, reflog_path: Path, current: RefsFile, *, time_s: float, who: str, reason: str
) -> RefsFile:
    """Record something that moved nothing, in the same chain; the caller holds the lock.

    Raises:
        OSError: nothing was recorded.
    """
    entry = reflog.chain(current.last, time_s=time_s, who=who, reason=reason, moves=())
    return _commit(path, reflog_path, current, RefsFile(refs=current.refs, last=entry), entry)


def _commit(
    path: Path, reflog_path: Path, current: RefsFile, moved: RefsFile, entry: reflog.Entry
) -> RefsFile:
    reflog.catch_up(reflog_path, current.last)
    files.write_atomic(path, documents.encode(moved))
    try:
        reflog.catch_up(reflog_path, entry)
    except OSError as error:
        # The move is durable and its entry is in refs.json: failing now would tell the caller that nothing moved.
        log.warning("reflog entry %d is late: %s", entry.seq, error, extra=action("registry.reflog-late"))
    return moved


def rebuild(path: Path, reflog_path: Path) -> RefsFile:
    """Write `refs.json` anew from the reflog, for the day it is lost or damaged; the caller holds the lock.

    A newest move that only `refs.json` knows goes into the reflog first: it was committed.

    Raises:
        StateError: the reflog is damaged too, so it proves nothing, or a newer program wrote the refs.
    """
    _write_late_entry(path, reflog_path)
    found = reflog.read(reflog_path)
    if found.breaks:
        raise StateError(
            f"{reflog_path} cannot restore the refs: {found.breaks[0]}",
            hint="point latest by hand: laimark-sidecar use VERSION",
        )
    rebuilt = RefsFile(
        refs={**START, **reflog.replay(found.entries)}, last=found.entries[-1] if found.entries else None
    )
    files.write_atomic(path, documents.encode(rebuilt))
    return rebuilt


def _write_late_entry(path: Path, reflog_path: Path) -> None:
    try:
        current = read(path, reflog_path)
    except StateError as error:
        if "upgrade" in error.hint:
            raise
        return
    entries = reflog.read(reflog_path).entries
    follows = current.last is not None and current.last.previous == (entries[-1].hash if entries else "")
    if follows and current.last is not None and current.last.hash == reflog.digest(current.last):
        reflog.catch_up(reflog_path, current.last)
