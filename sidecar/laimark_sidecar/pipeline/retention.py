"""How long conversations are kept. The clock is believed a week at a time: one that jumps to 2099 deletes no years at once.

A note says up to which moment age was counted. Each run, one a day at most, moves it to now, or by a week, whichever is
less; after a long rest it catches up within days. What was kept of the conversations as lessons is not touched.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import msgspec

from laimark_sidecar.clock import iso
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import StateError
from laimark_sidecar.files import write_atomic
from laimark_sidecar.journal.retention import Aged, aged, delete_older
from laimark_sidecar.logs import action
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.workshop import Workshop

log = logging.getLogger(__name__)
DAY_S = 86_400.0
STEP_S = 7 * DAY_S
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """`retention.json`."""

    until_s: float
    """Ages are counted from here."""
    looked_s: float
    """What the clock said when this was written."""
    version: int = FORMAT_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is too old now, by a clock that is believed as far as it may be."""

    old: tuple[Aged, ...]
    counted: Counted
    distrusted_s: float
    """By how much the clock is ahead of what is believed."""


def due(workshop: Workshop) -> bool:
    """Say whether a day has passed since the last run, or the clock went back, and there is a limit at all."""
    if not workshop.config.journal.keep_days:
        return False
    last = _last(workshop.home)
    passed_s = workshop.clock.now_s() - last.looked_s if last else DAY_S
    return not 0 <= passed_s < DAY_S


def too_old(workshop: Workshop) -> Retention:
    """Return what `expire` would delete; changes nothing."""
    now_s = workshop.clock.now_s()
    found = aged(workshop.home.journal)
    last = _last(workshop.home)
    # Where nothing was counted before, the newest line is what is known of the time.
    believed_s = last.until_s if last else max((one.newest_s for one in found), default=now_s)
    if last and 0 <= now_s - last.looked_s < DAY_S:
        until_s = min(now_s, believed_s)
    else:
        until_s = min(now_s, believed_s + STEP_S)
    keep_days = workshop.config.journal.keep_days
    old = tuple(one for one in found if keep_days and one.newest_s < until_s - keep_days * DAY_S)
    return Retention(old=old, counted=Counted(until_s=until_s, looked_s=now_s), distrusted_s=now_s - until_s)


def expire(workshop: Workshop) -> tuple[Aged, ...]:
    """Delete the journal's segments that are older than `journal.keep_days`; returns them.

    Raises:
        OSError: a file cannot be deleted; the next run tries again.
        StateError: a newer program wrote the note.
    """
    found = too_old(workshop)
    keep_days = workshop.config.journal.keep_days
    if not keep_days:
        return ()
    if found.distrusted_s >= DAY_S:
        log.warning(
            "the clock is %d days ahead of the last look at the journal: ages are counted from %s for now",
            found.distrusted_s // DAY_S,
            iso(found.counted.until_s),
            extra=action("retention.clock"),
        )
    gone = delete_older(workshop.home.journal, before_s=found.counted.until_s - keep_days * DAY_S)
    last = _last(workshop.home)
    if last is None or not 0 <= found.counted.looked_s - last.looked_s < DAY_S:
        write_atomic(workshop.home.retention, msgspec.json.encode(found.counted))
    if gone:
        size_bytes = sum(one.size_bytes for one in gone)
        log.info("%d old segments, %d bytes deleted", len(gone), size_bytes, extra=action("retention.done"))
    return gone


def _last(home: Home) -> Counted | None:
    try:
        last = decode_json(home.retention.read_bytes(), Counted)
    except FileNotFoundError:
        return None
    except MalformedError as error:
        log.warning("%s is damaged and begun anew: %s", home.retention, error, extra=action("retention.note"))
        return None
    if last.version > FORMAT_VERSION:
        raise StateError(f"{home.retention} is of a newer version", hint="upgrade laimark-sidecar")
    return last
