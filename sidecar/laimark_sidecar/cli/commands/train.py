"""`laimark-sidecar train --now`: one learning cycle, by the daemon if one is running, else here."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.opening import alone, workshop
from laimark_sidecar.cli.progress import Update, progress
from laimark_sidecar.errors import LockedError, RejectedError, StateError

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.folder import Closed
    from laimark_sidecar.pipeline.workshop import Workshop

POLL_S = 0.3


@click.command()
@click.option("--now", is_flag=True, help="Do not wait for enough new examples or for the usual interval.")
@click.option(
    "--consolidate",
    is_flag=True,
    help="Begin at the base, with all lessons, instead of going on from what serves.",
)
def command(now: bool, consolidate: bool) -> None:
    """Run one learning cycle: select, train, validate, convert, register."""
    if not now:
        raise click.UsageError("the daemon trains by itself when it is time; to train at once: train --now")
    opened = workshop()
    _require_learning(opened)
    if consolidate:
        _ask_to_consolidate(opened)
    with progress("learning cycle") as update:
        try:
            with alone("train"):
                closed = _here(opened, update)
        except LockedError:
            closed = _by_the_daemon(opened, update)
    if closed.ending in ("rejected", "abandoned"):
        raise RejectedError(
            f"{closed.ending}: {closed.reason}", hint="nothing was changed; see: laimark-sidecar status"
        )
    click.echo(f"{closed.ending}: {closed.version}")
    if closed.ending == "awaiting-review":
        click.echo(f"serve it with: laimark-sidecar promote {closed.version}")


def _ask_to_consolidate(opened: Workshop) -> None:
    """Leave the wish where the next plan finds it.

    Raises:
        StateError: a cycle is under way already, planned without it.
    """
    from laimark_sidecar.pipeline import control
    from laimark_sidecar.pipeline.folder import unfinished

    left = unfinished(opened.home.cycles)
    plan = left.plan() if left else None
    if left and plan and not plan.consolidation:
        raise StateError(
            f"cycle {left.id} is under way and goes on from {plan.parent or 'the base'}",
            hint="end it first: laimark-sidecar train --now",
        )
    control.request_consolidation(opened.home)


def _require_learning(opened: Workshop) -> None:
    from laimark_sidecar.pipeline import control

    if control.paused(opened.home):
        raise StateError("learning is paused", hint="laimark-sidecar resume")


def _here(opened: Workshop, update: Update) -> Closed:
    from laimark_sidecar.pipeline.cycle import advance, open_cycle
    from laimark_sidecar.pipeline.forget import carry_on
    from laimark_sidecar.pipeline.ingest import ingest
    from laimark_sidecar.pipeline.journal_source import journal_source
    from laimark_sidecar.pipeline.moving import repair
    from laimark_sidecar.pipeline.stopping import Yielded

    with _stop_on_signals() as should_stop:
        repair(opened)
        with opened.store() as store:
            ingest(opened, store, journal_source(opened), should_stop=should_stop)
        carry_on(opened, mine=True)
        try:
            return advance(opened, open_cycle(opened), report=update, should_stop=should_stop)
        except Yielded as error:
            raise Yielded(str(error), hint="go on with: laimark-sidecar train --now") from error


@contextmanager
def _stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and SIGTERM into a question that the cycle asks: it ends with a checkpoint. A second one is obeyed at once."""
    stop = threading.Event()
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    for number in previous:
        signal.signal(number, on_signal)
    try:
        yield stop.is_set
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _by_the_daemon(opened: Workshop, update: Update) -> Closed:
    """Ask the daemon and follow it; Ctrl-C stops following, not the cycle.

    Raises:
        LockedError: the home is held, but not by a daemon that could be asked.
        StateError: the daemon ended, was told to pause, or had nothing to learn.
    """
    from laimark_sidecar.pipeline import control
    from laimark_sidecar.pipeline.folder import cycles

    home = opened.home
    if control.told(home) is None:
        raise LockedError(f"{home.root} is in use by another command", hint="try again when it has ended")
    before = {cycle.id for cycle in cycles(home.cycles) if cycle.closed()}
    control.request_training(home)
    while True:
        # Before the cycles: the daemon drops the request only after it has closed the cycle.
        pending = control.training_requested(home)
        for cycle in cycles(home.cycles):
            closed = cycle.closed()
            if closed and cycle.id not in before:
                return closed
        activity = control.told(home)
        if activity is None:
            raise StateError(
                "the daemon has ended before the cycle did", hint="its request is kept: laimark-sidecar run"
            )
        if not pending:
            raise _nothing(opened)
        _require_learning(opened)
        update(activity.reason, activity.share)
        time.sleep(POLL_S)


def _nothing(opened: Workshop) -> StateError:
    from laimark_sidecar.pipeline.readiness import readiness

    with opened.store() as store:
        found = readiness(opened, store)
    why = f"did not begin: {'; '.join(found.lacking)}" if found.lacking else "found nothing to learn"
    return StateError(f"the daemon {why}", hint=found.hint)
