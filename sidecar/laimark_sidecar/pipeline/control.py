"""Requests to the daemon and its present state, as small durable files: readable and writable without a daemon."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from laimark_sidecar.clock import Clock, SystemClock
from laimark_sidecar.decoding import MalformedError, NewerFormatError, decode_json
from laimark_sidecar.errors import StateError
from laimark_sidecar.files import exclusive, write_atomic
from laimark_sidecar.journal.consent import Consent, read_consent, write_consent
from laimark_sidecar.logs import action
from laimark_sidecar.paths import Home

log = logging.getLogger(__name__)
_CLOCK = SystemClock()
PAUSE = "pause"
_LOCK_WAIT_S = 5.0


STALE_S = 600.0
"""A living daemon tells every `daemon.supervisor.HEARTBEAT_S`, save while it waits for the runner to load an adapter.
A pid alone proves little: after a restart of the machine it is somebody else's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What the daemon is doing. Stale when its process is gone, or has not told for `STALE_S`."""

    pid: int
    state: str
    """The scheduler's decision in a word, or `training`."""
    reason: str
    share: float
    """Share of the running cycle's present step, 0 to 1."""
    updated_s: float


def pause(home: Home) -> None:
    """No training and no recording from now on, also after a restart, until `resume`.

    Raises:
        StateError: what the user wants recorded cannot be read. All the same it is paused: nothing is recorded then.
    """
    write_atomic(home.control / "paused", b"")
    change_consent(home, lambda consent: consent.switched_off(PAUSE, _CLOCK.now_s()))


def resume(home: Home) -> None:
    """Allow training and recording again; not paused is not an error. What `logs off` switched off stays off.

    Raises:
        StateError: what the user wants recorded cannot be read: training goes on, nothing is recorded.
    """
    flag = home.control / "paused"
    try:
        change_consent(home, lambda consent: consent.switched_on(PAUSE, _CLOCK.now_s()))
    except StateError:
        flag.unlink(missing_ok=True)
        raise
    flag.unlink(missing_ok=True)


def change_consent(home: Home, change: Callable[[Consent], Consent]) -> Consent:
    """Replace what the user wants recorded by what `change` makes of it, and return that; one process at a time.

    Raises:
        StateError: what is there cannot be read.
        LockedError: another process changes it for longer than anybody does.
    """
    return _changed(home, lambda: change(read_consent(home.recording)))


def say_consent(home: Home, change: Callable[[Consent], Consent]) -> Consent:
    """Do as `change_consent`, but begin anew where what is there is damaged.

    The damaged file is set aside. Nothing said before now is taken in any more, because nobody knows what was agreed
    to; rules for models and clients are to be said again. A pause outlasts the damage.

    Raises:
        StateError: a newer version wrote it; its rules must not be lost.
    """

    def said() -> Consent:
        try:
            known = read_consent(home.recording)
        except NewerFormatError:
            raise
        except StateError:
            aside = home.recording.with_suffix(".damaged")
            home.recording.replace(aside)
            log.warning(
                "%s was damaged and is now %s: its rules are gone",
                home.recording,
                aside,
                extra=action("consent.aside"),
            )
            now_s = _CLOCK.now_s()
            known = Consent().switched_off("damaged", 0.0).switched_on("damaged", now_s)
            known = known.switched_off(PAUSE, now_s) if paused(home) else known
        return change(known)

    return _changed(home, said)


def _changed(home: Home, make: Callable[[], Consent]) -> Consent:
    holder = f"laimark-sidecar (pid {os.getpid()}), which changes what is recorded"
    with exclusive(home.root / "recording.lock", holder, wait_s=_LOCK_WAIT_S):
        consent = make()
        write_consent(home.recording, consent)
    return consent


def paused(home: Home) -> bool:
    """Return whether training is paused."""
    return (home.control / "paused").exists()


def request_training(home: Home) -> None:
    """Ask the daemon for a cycle as soon as the runner is free, however few items are new."""
    write_atomic(home.control / "train-now", b"")


def training_requested(home: Home) -> bool:
    """Return whether somebody asked for a cycle that has not ended yet."""
    return (home.control / "train-now").exists()


def request_served(home: Home) -> None:
    """Forget the request: its cycle has ended."""
    (home.control / "train-now").unlink(missing_ok=True)


def request_consolidation(home: Home) -> None:
    """Ask that the next cycle begins at the base with all lessons."""
    write_atomic(home.control / "consolidate", b"")


def consolidation_requested(home: Home) -> bool:
    """Return whether somebody asked for that, and no cycle has been planned since."""
    return (home.control / "consolidate").exists()


def consolidation_planned(home: Home) -> None:
    """Forget the request: a plan holds it now."""
    (home.control / "consolidate").unlink(missing_ok=True)


def tell(home: Home, activity: Activity) -> None:
    """Publish what the daemon is doing."""
    write_atomic(home.control / "activity.json", msgspec.json.encode(activity))


def tell_end(home: Home) -> None:
    """Withdraw what was told: the daemon ends."""
    (home.control / "activity.json").unlink(missing_ok=True)


def told(home: Home, *, clock: Clock = _CLOCK) -> Activity | None:
    """Return what the daemon is doing, or None when none is running."""
    try:
        activity = decode_json((home.control / "activity.json").read_bytes(), Activity)
    except (OSError, MalformedError):  # a damaged note is no daemon
        return None
    fresh = abs(clock.now_s() - activity.updated_s) < STALE_S
    return activity if fresh and _alive(activity.pid) else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
