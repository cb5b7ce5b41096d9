"""May training use the machine now? One pure function of what is known.

The user comes first: training begins only after a while of quiet, and gives way at once. What is not known counts
as busy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.errors import ConfigError

Kind = Literal["wait", "start", "continue", "yield"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known right now."""

    paused: bool
    """The user said: not now."""
    runner_reachable: bool
    busy: bool
    """The runner is answering somebody."""
    idle_s: float
    """Since the runner's last answer ended; 0 while it is busy."""
    new_items: int
    """Training items that no cycle has learned from yet."""
    cycle_unfinished: bool
    """A cycle was interrupted and can go on where it stopped."""
    train_requested: bool
    """The user said: now."""
    training_now: bool
    last_cycle_end_s: float | None
    """When the last cycle, or the last failed attempt at one, ended (epoch seconds); None before the first."""
    now_s: float
    failures: int = 0
    """Failed attempts in a row since the last cycle that ended well (a rejected candidate is a good end)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When the user lets it train."""

    idle_s: float
    """Quiet needed before training begins or goes on."""
    requested_idle_s: float
    """Quiet needed when the user asked for it: only not in the middle of a conversation's breath."""
    min_new: int
    min_interval_s: float
    retry_s: float = 60.0
    """Wait after a failed attempt; doubles with each further one."""
    retry_max_s: float = 6 * 3600.0

    def __post_init__(self) -> None:
        for name in ("idle_s", "requested_idle_s", "min_new", "min_interval_s", "retry_s", "retry_max_s"):
            value = getattr(self, name)
            if not value >= 0:
                raise ConfigError(f"scheduler.{name} is {value}, expected 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now.

    `start` a new cycle; `continue`: resume the unfinished cycle, or let the running one run; `yield`: stop the
    running one, keeping its checkpoint; `wait`: nothing is running and nothing shall.
    """

    kind: Kind
    reason: str
    """For `status` and the log, for example `7 of 32 new items`."""


def decide(now: Situation, policy: Policy) -> Decision:
    """Decide. Never `start` or `continue` while paused, busy, or without news of the runner.

    A request skips `min_new` and `min_interval_s` and shortens the wait after failures to `retry_s`; it skips
    neither a pause nor a busy runner.
    """
    obstacle = _obstacle(now)
    if now.training_now:
        return (
            Decision(kind="yield", reason=obstacle)
            if obstacle
            else Decision(kind="continue", reason="training")
        )
    obstacle = obstacle or _too_soon(now, policy)
    if obstacle:
        return Decision(kind="wait", reason=obstacle)
    if now.cycle_unfinished:
        return Decision(kind="continue", reason="an unfinished cycle goes on")
    if now.train_requested:
        return Decision(kind="start", reason="requested")
    obstacle = _too_little(now, policy)
    if obstacle:
        return Decision(kind="wait", reason=obstacle)
    return Decision(kind="start", reason=f"{now.new_items} new items and {now.idle_s:.0f} s of quiet")


def retry_wait_s(failures: int, policy: Policy) -> float:
    """Return how long to leave it alone after this many failures in a row: doubling, bounded, 0 for none."""
    if failures < 1:
        return 0.0
    doublings = min(failures - 1, 32)  # a float has room for more, no user has
    return float(min(policy.retry_s * 2**doublings, policy.retry_max_s))


def _obstacle(now: Situation) -> str:
    """Return what forbids training outright; empty where nothing does."""
    if now.paused:
        return "paused"
    if not now.runner_reachable:
        return "the runner cannot be reached, so nobody knows whether it is busy"
    return "the runner is busy" if now.busy else ""


def _too_soon(now: Situation, policy: Policy) -> str:
    quiet_s = min(policy.requested_idle_s, policy.idle_s) if now.train_requested else policy.idle_s
    if now.idle_s < quiet_s:
        return f"{now.idle_s:.0f} of {quiet_s:.0f} s of quiet"
    wait_s = retry_wait_s(now.failures, policy)
    left_s = _left_s(now, min(wait_s, policy.retry_s) if now.train_requested else wait_s)
    return f"attempt {now.failures} failed; the next in {left_s:.0f} s" if left_s > 0 else ""


def _too_little(now: Situation, policy: Policy) -> str:
    if now.new_items < max(policy.min_new, 1):
        return f"{now.new_items} of {max(policy.min_new, 1)} new items"
    left_s = _left_s(now, policy.min_interval_s)
    return f"the next cycle is due in {left_s:.0f} s" if left_s > 0 else ""


def _left_s(now: Situation, interval_s: float) -> float:
    """Return what is left of the interval; a clock that was set back does not make it longer than itself."""
    if now.last_cycle_end_s is None:
        return 0.0
    return min(interval_s, now.last_cycle_end_s + interval_s - now.now_s)
