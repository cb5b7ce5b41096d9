"""What the demo promises, checked: each claim holds or the demo ends with a non-zero code."""

from __future__ import annotations

from dataclasses import dataclass

from laimark_sidecar.demo.exam import gains
from laimark_sidecar.demo.scenario import Course
from laimark_sidecar.registry.version import Version
from laimark_sidecar.validation.statistics import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One promise, and what was seen."""

    text: str
    holds: bool
    seen: str


def claims(
    course: Course,
    version: Version | None,
    margin: Estimate | None,
    *,
    kl_alarm: float,
    rolled_back: bool,
    problems: int,
) -> tuple[Claim, ...]:
    """Return every claim with its outcome.

    Args:
        course: what happened.
        version: behind the tuned name at the end of the course; None when nothing was promoted.
        margin: of the right answers to the exam, version over base; None when nothing was promoted.
        kl_alarm: the gate's budget of drift, nats.
        rolled_back: after the rollback every answer to the exam was what it had been before.
        problems: how many errors `check` found at the end.
    """
    exact, similar = gains(course.base_marks, course.rounds[-1].marks)
    kl = version.metrics.get("kl", float("inf")) if version else float("inf")
    core = version.metrics.get("core", float("-inf")) if version else float("-inf")
    promoted = sum(one.closed.ending == "promoted" for one in course.rounds)
    return (
        Claim(
            text="at least one version passed the gate and was promoted",
            holds=promoted > 0,
            seen=f"{promoted} of {len(course.rounds)} cycles",
        ),
        Claim(
            text="the right lines of held-out files became likelier than to the base (95% CI above zero)",
            holds=margin is not None and margin.low > 0,
            seen=nats(margin) if margin else "nothing was promoted",
        ),
        Claim(
            text="held-out answers did not get worse (no 95% CI wholly below zero)",
            holds=exact.high >= 0 and similar.high >= 0,
            seen=f"exact match {points(exact)}, edit similarity {points(similar)}",
        ),
        Claim(
            text=f"core skills are kept: KL to the frozen base below {kl_alarm:g} nats",
            holds=kl < kl_alarm,
            seen=f"KL {kl:.3f}, core margin {core:+.3f} nats/token" if version else "nothing was promoted",
        ),
        Claim(
            text="after `rollback` every answer is the previous one, byte for byte",
            holds=rolled_back,
            seen="identical" if rolled_back else "different answers" if version else "nothing was promoted",
        ),
        Claim(text="`check` finds nothing wrong", holds=problems == 0, seen=f"{problems} problems"),
    )


def points(estimate: Estimate) -> str:
    """Render a gain in percentage points with its interval."""
    return f"{100 * estimate.mean:+.1f} points (95% CI {100 * estimate.low:+.1f} to {100 * estimate.high:+.1f}, n={estimate.n})"


def nats(estimate: Estimate) -> str:
    """Render a margin in nats per token with its interval."""
    return f"{estimate.mean:+.3f} nats/token (95% CI {estimate.low:+.3f} to {estimate.high:+.3f}, n={estimate.n})"
