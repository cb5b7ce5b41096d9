"""When to sleep: begin at the base again with everything that is remembered, instead of adding to what has grown.

A chain of small updates drifts, and what it has forgotten of its first lessons it does not find again. One training from
the base on the whole buffer does not know the order in which the lessons came.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

OVER_BUDGET = 2
"""Candidates in a row that the gate refused for what the base would have lost: the chain has no room left."""
REST = 10
"""Cycles between a consolidation that was refused and the next one that nobody asked for."""
MOST_TIMES = 20
"""A consolidation takes at most so many times the steps of a cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How learning has gone since the adapter that serves began at the base."""

    versions: int
    """Of the lineage that serves; 0 where the base does."""
    kl: float
    """Of what serves to the base, nats a token, as the gate measured it."""
    tainted: bool
    """It has learned from what was forgotten since."""
    over_budget: int
    """Candidates in a row, up to now, that were refused for what the base would have lost."""
    since_refused: int | None
    """Cycles since the last consolidation that was refused; None where none was, lately."""


def reason_to_consolidate(course: Course, *, every: int, kl_alarm: float) -> str:
    """Return why the next cycle should begin at the base, as a sentence; empty: it goes on.

    Args:
        course: how it went.
        every: accepted cycles between two consolidations; 0 never asks for one.
        kl_alarm: the distance from the base, nats a token, beyond which nothing should grow on.
    """
    if not every or not course.versions or (course.since_refused is not None and course.since_refused < REST):
        return ""
    if course.tainted:
        return "what serves has learned from what was forgotten since"
    if course.kl > kl_alarm:
        return f"what serves is {course.kl:.3f} nats/token away from the base (more than {kl_alarm:g})"
    if course.over_budget >= OVER_BUDGET:
        return f"the last {course.over_budget} candidates were refused for what the base would have lost"
    if course.versions >= every:
        return f"{course.versions} versions have grown on one another since the last (training.consolidate_every)"
    return ""


def reason_to_begin_anew(serving: str, wanted: str) -> str:
    """Return why nothing can grow on what serves, whatever else holds, as a sentence; empty: it can.

    Args:
        serving: kind of the adapter that serves; empty where the base does.
        wanted: kind that the next cycle trains.
    """
    if serving in ("", wanted):
        return ""
    return f"what serves is of the kind {serving}, and the next is to be {wanted} (training.adapter)"


def consolidation_steps(lessons: int, *, batch_size: int, share: float, least: int) -> int:
    """Return steps in which each lesson comes once, at least a cycle's and at most `MOST_TIMES` as many.

    Args:
        lessons: how many there are.
        batch_size: examples a step.
        share: of a step that are lessons; the rest is core replay.
        least: steps of a usual cycle.
    """
    return min(max(least, math.ceil(lessons / (batch_size * share))), MOST_TIMES * least)
