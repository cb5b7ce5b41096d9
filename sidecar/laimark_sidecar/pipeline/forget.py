"""Forgets, for good and to the end: what is to go is written down first, as ids, and carried on after any crash.

Order: intent → tombstones and buffer → journal → core sets → cycles → the database's own log → intent gone. The tombstones come first,
because they keep out what the daemon is just reading. Each step may be done again. While a cycle may be at work on what
goes, only its owner can stop it: the intent is then left to the daemon, which yields its training and does the rest.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Collection
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import msgspec

from laimark_sidecar.decoding import decode_versioned
from laimark_sidecar.errors import DataError, LockedError
from laimark_sidecar.files import exclusive, fsync_dir, write_atomic
from laimark_sidecar.journal.erasing import erase
from laimark_sidecar.journal.exchange import Feedback, decode
from laimark_sidecar.logs import action
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.core_forget import drop_prompts
from laimark_sidecar.pipeline.doomed import Doomed
from laimark_sidecar.pipeline.folder import Closed, CycleFolder, cycles
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.replay.trace import Trace

log = logging.getLogger(__name__)
FORMAT_VERSION = 2
_LOCK_WAIT_S = 10.0
_ID = re.compile(rb'"id":"([^"]{1,64})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """`forget.json`: what goes, by hashes alone, so that this file is no copy of it."""

    records: tuple[str, ...]
    """Ids of exchanges and of feedback."""
    items: tuple[str, ...]
    lines: tuple[str, ...] = ()
    """sha256 of lines of the journal that are no records."""
    traces: tuple[Trace, ...] = ()
    """What the records will be known by, should they be told again."""
    version: int = FORMAT_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was done."""

    lines: int
    size_bytes: int
    items: int
    finished: bool
    """False: the daemon is at work, or more is to go by now; the daemon does the rest within seconds."""


def pending(home: Home) -> Intent | None:
    """Return what is still to be forgotten, if anything is.

    Raises:
        StateError: the intent is damaged or a newer program wrote it.
    """
    try:
        content = home.forgetting.read_bytes()
    except FileNotFoundError:
        return None
    return decode_versioned(
        content,
        Intent,
        newest=FORMAT_VERSION,
        what=str(home.forgetting),
        hint="move it away and repeat: laimark-sidecar forget",
    )


def forget(workshop: Workshop, found: Doomed) -> Forgotten:
    """Forget what was found, and what an interrupted forgetting left. Nothing of it stays below the home but hashes.

    Raises:
        LockedError: the buffer is locked by another process for too long; a later call goes on.
        StateError, OSError: a disk is full or not writable; likewise.
    """
    begin(workshop, found)
    return carry_on(workshop)


def begin(workshop: Workshop, found: Doomed) -> None:
    """Write down durably what is to go, together with what is still to go from before."""
    _write_down(
        workshop,
        Intent(
            records=tuple(found.record_ids), items=found.items, lines=found.unreadable, traces=found.traces
        ),
    )


def begin_repeated(workshop: Workshop, records: Collection[str]) -> None:
    """Write down durably that records which repeat something forgotten go too; `carry_on` takes them away.

    Raises:
        LockedError, StateError, OSError: as `forget` does.
    """
    _write_down(workshop, Intent(records=tuple(records), items=()))


def _write_down(workshop: Workshop, more: Intent) -> None:
    with _intent_lock(workshop.home):
        left = pending(workshop.home) or Intent(records=(), items=())
        intent = Intent(
            records=tuple(sorted({*left.records, *more.records})),
            items=tuple(sorted({*left.items, *more.items})),
            lines=tuple(sorted({*left.lines, *more.lines})),
            traces=tuple(dict.fromkeys((*left.traces, *more.traces))),
        )
        write_atomic(workshop.home.forgetting, msgspec.json.encode(intent))


def _intent_lock(home: Home) -> AbstractContextManager[None]:
    """Let nobody add to the intent while somebody else does, or takes it away as done."""
    return exclusive(
        home.root / "forget.lock", f"laimark-sidecar (pid {os.getpid()}), which forgets", wait_s=_LOCK_WAIT_S
    )


def carry_on(workshop: Workshop, *, mine: bool = False) -> Forgotten:
    """Do what `forget.json` says, from wherever it was left.

    Args:
        workshop: whose.
        mine: the caller holds the daemon's lock, so no cycle is at work.

    Raises:
        LockedError, StateError, OSError: as `forget` does.
    """
    intent = pending(workshop.home)
    if intent is None:
        return Forgotten(lines=0, size_bytes=0, items=0, finished=True)
    with workshop.store() as store:
        items = store.oblivion.forget_exchanges(intent.records, items=intent.items, traces=intent.traces)
        gone = frozenset({*intent.items, *store.oblivion.made_from(intent.records)})
        records = frozenset(intent.records)
        erased = erase(workshop.home.journal, lambda line: _goes(intent, records, line))
        log.info("%d lines and %d items forgotten", erased.lines, items, extra=action("forget.done"))
        finished = _finish(workshop, store, intent, gone, mine=mine)
    return Forgotten(lines=erased.lines, size_bytes=erased.size_bytes, items=items, finished=finished)


def _goes(intent: Intent, records: frozenset[str], line: bytes) -> bool:
    try:
        record = decode(line)
    except DataError:
        # Sealed, or power was lost in the middle of an erasure: the id at the beginning is all that can be read.
        named = _ID.search(line)
        return hashlib.sha256(line).hexdigest() in intent.lines or (
            named is not None and named[1].decode("ascii", "replace") in records
        )
    return record.id in records or (isinstance(record, Feedback) and record.exchange_id in records)


def _finish(
    workshop: Workshop, store: ReplayStore, intent: Intent, gone: frozenset[str], *, mine: bool
) -> bool:
    with ExitStack() as stack:
        if not mine:
            try:
                stack.enter_context(
                    exclusive(workshop.home.daemon_lock, f"laimark-sidecar forget (pid {os.getpid()})")
                )
            except LockedError:
                return False
        drop_prompts(workshop.home, frozenset(intent.records))
        _clear(workshop, store, gone | frozenset(intent.records))
        with _intent_lock(workshop.home):
            if pending(workshop.home) != intent:
                return False  # somebody has added to it meanwhile
            workshop.home.forgetting.unlink(missing_ok=True)
            fsync_dir(workshop.home.root)
    return True


def _clear(workshop: Workshop, store: ReplayStore, gone: frozenset[str]) -> None:
    for cycle in cycles(workshop.home.cycles):
        if cycle.closed() is None:
            _clear_cycle(workshop, cycle, gone)
    if not store.oblivion.scrub():
        raise LockedError(
            "another process reads the replay buffer, whose log may still hold what was forgotten",
            hint="end it, then: laimark-sidecar forget --resume",
        )


def _clear_cycle(workshop: Workshop, cycle: CycleFolder, gone: frozenset[str]) -> None:
    """End a cycle that saw what goes, and take away what it wrote; of any other, only what it was judged by.

    `gone` are items, and exchanges for the sake of the core prompts.
    """
    plan = cycle.plan()
    # What judges stands here as it was asked; it is written again when it is asked again.
    shutil.rmtree(cycle.root / "scoring", ignore_errors=True)
    if plan is None:
        shutil.rmtree(cycle.root)
    elif gone & {*plan.sample_ids, *plan.core_records}:
        for folder in (cycle.work, cycle.result, cycle.parent):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (cycle.examples, cycle.prompts, *cycle.root.glob("candidate-*.gguf")):
            file.unlink(missing_ok=True)
        reason = "what it was learning from was forgotten"
        cycle.write_closed(
            Closed(ending="abandoned", version="", reason=reason, closed_s=workshop.clock.now_s())
        )
