"""`laimark-sidecar run`: tail the logs, learn when the runner is idle, promote, and stop within five seconds when told."""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType

from laimark_sidecar.daemon.tail import Tail
from laimark_sidecar.errors import LaimarkError, RunnerError
from laimark_sidecar.files import exclusive
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline import control
from laimark_sidecar.pipeline.cycle import advance, open_cycle
from laimark_sidecar.pipeline.folder import cycles, unfinished
from laimark_sidecar.pipeline.forget import carry_on
from laimark_sidecar.pipeline.moving import repair, synchronise
from laimark_sidecar.pipeline.readiness import NothingToLearnError, eligible
from laimark_sidecar.pipeline.retention import due, expire
from laimark_sidecar.pipeline.router import revive
from laimark_sidecar.pipeline.stopping import Yielded
from laimark_sidecar.pipeline.usage import usage
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.runners.runner import Activity
from laimark_sidecar.scheduler.decide import Decision, Policy, Situation, decide
from laimark_sidecar.sources.source import LogSource

log = logging.getLogger(__name__)
TICK_S = 0.5
REQUESTED_IDLE_S = 2.0
"""Quiet needed when the user asked for a cycle: enough for the last lines of the log to have been read."""
RETRY_S = 5.0
"""Pause after a fault outside a cycle, for example a locked buffer."""
RUNNER_PATIENCE_S = 2.0
"""A runner that hangs counts as busy, and must not keep the daemon from obeying SIGTERM within five seconds."""
LOOK_S = 0.3
"""Time between two questions to the runner while a cycle runs; a signal is obeyed at once."""
HEARTBEAT_S = 30.0


class Supervisor:
    """The daemon's main loop. One per home: the lock says who holds it."""

    def __init__(self, workshop: Workshop, sources: tuple[LogSource, ...]) -> None:
        self._workshop = workshop
        self._sources = sources
        self._stop = threading.Event()
        self._failures = 0
        self._last_cycle_end_s: float | None = None
        self._last_told = ("", "")
        self._told_at_s = float("-inf")
        self._looked_at_s = float("-inf")
        self._must_yield = False

    def run(self) -> None:
        """Run until SIGTERM or SIGINT.

        Raises:
            LockedError: another daemon holds this home.
        """
        with exclusive(self._workshop.home.daemon_lock, f"laimark-sidecar run (pid {os.getpid()})"):
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_signal)
            self._last_cycle_end_s = last_end_s(self._workshop)
            try:
                with self._workshop.store() as store, Tail(self._workshop, self._sources) as tail:
                    while not self._stop.is_set():
                        assert tail.alive, "the tail's thread has died of a bug; its traceback is above"
                        self._survive_tick(store)
            finally:
                control.tell_end(self._workshop.home)
        log.info("stopped", extra=action("daemon.stop"))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()

    def _survive_tick(self, store: ReplayStore) -> None:
        """Do one round; a locked buffer or a full disk must not end the daemon, so it is logged and tried again."""
        pause_s = TICK_S
        try:
            self._tick(store)
        except (LaimarkError, OSError) as error:
            log.error("%s; trying again", _told(error), extra=action("daemon.fault"))
            pause_s = RETRY_S
        self._stop.wait(pause_s)

    def _tick(self, store: ReplayStore) -> None:
        carry_on(self._workshop, mine=True)
        if due(self._workshop):
            expire(self._workshop)
        self._repair()
        decision = self._decide(store)
        self._tell(decision.kind, decision.reason)
        if decision.kind in ("start", "continue"):
            self._cycle(store)

    def _repair(self) -> None:
        """Bring a llama-server of ours back that crashed; settle an interrupted move as soon as the runner is there."""
        if revive(self._workshop):
            log.warning("llama-server was gone and is started again", extra=action("daemon.revived"))
        if not self._workshop.registry.intent.pending() or self._runner_activity() is None:
            return
        done = repair(self._workshop)
        if done:
            log.info("%s", done, extra=action("pipeline.repair"))

    def _decide(self, store: ReplayStore, *, training_now: bool = False) -> Decision:
        workshop = self._workshop
        activity = self._runner_activity()
        situation = Situation(
            paused=control.paused(workshop.home),
            runner_reachable=activity is not None,
            busy=activity.busy if activity else False,
            idle_s=activity.idle_s if activity else 0.0,
            # Counting costs a query; a running cycle's fate does not depend on it.
            new_items=0 if training_now else len(eligible(workshop, store, limit=_needed(workshop))),
            cycle_unfinished=training_now or unfinished(workshop.home.cycles) is not None,
            train_requested=control.training_requested(workshop.home),
            training_now=training_now,
            last_cycle_end_s=self._last_cycle_end_s,
            now_s=workshop.clock.now_s(),
            failures=self._failures,
        )
        return decide(situation, policy_of(workshop))

    def _runner_activity(self) -> Activity | None:
        try:
            return usage(self._workshop, timeout_s=RUNNER_PATIENCE_S)
        except RunnerError:
            return None

    def _cycle(self, store: ReplayStore) -> None:
        """Carry a cycle on; whatever goes wrong is logged and tried again later, less and less often."""
        workshop = self._workshop
        self._must_yield = False
        try:
            synchronise(workshop, workshop.runner())
            closed = advance(
                workshop,
                open_cycle(workshop),
                report=self._report,
                should_stop=lambda: self._should_stop(store),
            )
            control.request_served(workshop.home)
            self._failures = self._failures + 1 if closed.ending == "abandoned" else 0
        except Yielded as error:
            log.info("%s", error, extra=action("pipeline.yield"))
            return
        except NothingToLearnError as error:
            log.info("%s", error, extra=action("pipeline.nothing"))
            control.request_served(workshop.home)
        except (LaimarkError, OSError) as error:
            log.error("%s", _told(error), extra=action("pipeline.failed"))
            self._failures += 1
        self._last_cycle_end_s = workshop.clock.now_s()

    def _should_stop(self, store: ReplayStore) -> bool:
        """Give the machine back when told to, when paused, when something is to be forgotten, or when somebody uses the runner."""
        if self._stop.is_set() or self._workshop.home.forgetting.exists():
            return True
        now_s = self._workshop.clock.monotonic_s()
        if now_s - self._looked_at_s >= LOOK_S:
            self._must_yield = self._decide(store, training_now=True).kind == "yield"
            self._looked_at_s = self._workshop.clock.monotonic_s()
        return self._must_yield

    def _report(self, step: str, share: float) -> None:
        self._tell("training", step, share)

    def _tell(self, state: str, reason: str, share: float = 0.0) -> None:
        clock = self._workshop.clock
        news = (state, reason) != self._last_told
        due_s = LOOK_S if state == "training" else HEARTBEAT_S
        if state != self._last_told[0]:
            log.info("%s: %s", state, reason or "now", extra=action("daemon.state"))
        if news or clock.monotonic_s() - self._told_at_s >= due_s:
            self._last_told, self._told_at_s = (state, reason), clock.monotonic_s()
            now_s = clock.now_s()
            control.tell(
                self._workshop.home,
                control.Activity(pid=os.getpid(), state=state, reason=reason, share=share, updated_s=now_s),
            )


def _told(error: LaimarkError | OSError) -> str:
    hint = error.hint if isinstance(error, LaimarkError) else ""
    return f"{error} ({hint})" if hint else str(error)


def last_end_s(workshop: Workshop) -> float | None:
    """Return when the last cycle ended, so that a restart does not shorten the interval; None before the first."""
    ends = [closed.closed_s for cycle in cycles(workshop.home.cycles) if (closed := cycle.closed())]
    return max(ends, default=None)


def _needed(workshop: Workshop) -> int:
    return max(workshop.config.schedule.min_new, 1)


def policy_of(workshop: Workshop) -> Policy:
    """Return the scheduler's policy from the configuration."""
    schedule = workshop.config.schedule
    return Policy(
        idle_s=schedule.idle_s,
        requested_idle_s=min(schedule.idle_s, REQUESTED_IDLE_S),
        min_new=schedule.min_new,
        min_interval_s=schedule.min_interval_s,
    )
