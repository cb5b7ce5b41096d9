"""Requests to the daemon and its present state, as small durable files: readable and writable without a daemon."""

from __future__ import annotations

import os
from dataclasses import dataclass

import msgspec

from laimark_sidecar.clock import Clock, SystemClock
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.files import write_atomic
from laimark_sidecar.journal.consent import read_consent, write_consent
from laimark_sidecar.paths import Home

_CLOCK = SystemClock()
PAUSE = "pause"


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
    """No training and no recording from now on, also after a restart, until `resume`."""
    write_atomic(home.control / "paused", b"")
    write_consent(home.recording, read_consent(home.recording).switched_off(PAUSE, _CLOCK.now_s()))


def resume(home: Home) -> None:
    """Allow training and recording again; not paused is not an error. What `logs off` switched off stays off."""
    write_consent(home.recording, read_consent(home.recording).switched_on(PAUSE, _CLOCK.now_s()))
    (home.control / "paused").unlink(missing_ok=True)


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
