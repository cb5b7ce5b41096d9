"""Looks whether the next cycle should begin at the base: what the registry and the last cycles say of the course so far."""

from __future__ import annotations

import itertools

from laimark_sidecar.curriculum.consolidation import REST, Course, reason_to_begin_anew, reason_to_consolidate
from laimark_sidecar.pipeline import control
from laimark_sidecar.pipeline.folder import CycleFolder, cycles
from laimark_sidecar.pipeline.taint import tainted
from laimark_sidecar.pipeline.workshop import Workshop

ASKED = "somebody asked for it (train --now --consolidate)"
MODE = 'training.mode is "fresh"'
_OVER_BUDGET = {"core", "worst_core", "kl"}


def consolidation(workshop: Workshop, parent: str) -> str:
    """Return why the next cycle begins at the base with all lessons; empty: it goes on from `parent`.

    Raises:
        StateError: a record of the registry or of a cycle is damaged.
    """
    if workshop.config.training.mode == "fresh":
        return MODE
    if control.consolidation_requested(workshop.home):
        return ASKED
    kind = workshop.registry.get(parent).adapter if parent else ""
    return reason_to_begin_anew(kind, workshop.config.training.adapter) or reason_to_consolidate(
        _course(workshop, parent),
        every=workshop.config.training.consolidate_every,
        kl_alarm=workshop.config.gate.kl_alarm,
    )


def _course(workshop: Workshop, parent: str) -> Course:
    ended = [cycle for cycle in reversed(cycles(workshop.home.cycles)) if cycle.closed()]
    lineage = workshop.registry.lineage(parent) if parent else ()
    return Course(
        versions=len(lineage),
        kl=lineage[0].metrics.get("kl", 0.0) if lineage else 0.0,
        tainted=parent in tainted(workshop),
        over_budget=sum(1 for _ in itertools.takewhile(_was_over_budget, ended)),
        since_refused=next(
            (number for number, cycle in enumerate(ended[:REST]) if _was_refused_consolidation(cycle)), None
        ),
    )


def _was_over_budget(cycle: CycleFolder) -> bool:
    closed, judgement = cycle.closed(), cycle.judgement()
    if closed is None or closed.ending != "rejected" or judgement is None:
        return False
    return any(reason.check in _OVER_BUDGET and not reason.passed for reason in judgement.verdict.reasons)


def _was_refused_consolidation(cycle: CycleFolder) -> bool:
    closed, plan = cycle.closed(), cycle.plan()
    return bool(closed and plan and plan.consolidation and closed.ending in ("rejected", "abandoned"))
