"""Which cells a run still has to make, in the order of making them, and about how long each takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.bench.arms import Arm
from laimark_sidecar.bench.results import arm_folder, cell_path
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.bench.stream import USERS

_MEASURED = 64
"""As `anchors.CURVATURE_EXAMPLES`."""
_JUDGED = 64
"""As `gated.MAX_HELDOUT`."""
_SCALES = 2
"""Of the gate's line search, on average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A cell that is not there yet."""

    seed: int
    arm: Arm
    cycle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast this machine is with this base; seconds."""

    scored: float
    """A short item scored."""
    trained: float
    """The same item, forward and backward."""
    written: float
    """A greedy answer, many in one batch."""


def is_run(settings: Settings, arm: Arm, cycle: int) -> bool:
    """Say whether an arm has a cell in this cycle: the oracle, whose cells grow, only now and then."""
    every = settings.oracle_every or settings.stay
    return arm.lessons != "all" or cycle % every == 0 or cycle == settings.cycles


def due(settings: Settings, arms: Sequence[Arm], out: Path, *, seeds: int) -> tuple[Due, ...]:
    """Return the cells that are not there yet: all arms of a seed before the next seed."""
    return tuple(
        Due(seed=seed, arm=arm, cycle=cycle)
        for seed in range(seeds)
        for arm in arms
        for cycle in range(1, settings.cycles + 1)
        if is_run(settings, arm, cycle)
        and not cell_path(arm_folder(out, seed=seed, arm=arm.name), cycle).is_file()
    )


def cost_s(settings: Settings, one: Due, pace: Pace) -> float:
    """Return about how many seconds a cell takes."""
    return _scoring_s(settings, one, pace) + _learning_s(settings, one, pace)


def _scoring_s(settings: Settings, one: Due, pace: Pace) -> float:
    items, written = 0.0, 0.0
    # A prompt with earlier corrections in it is as many times as long.
    longer = 1 + settings.shots if one.arm.memory else 1
    if one.arm.lessons == "new":
        items += settings.tasks * longer
    if settings.examines(one.cycle):
        users = min((one.cycle - 1) // settings.stay + 1, len(USERS))
        exam = users * settings.exam + 2 * settings.core_exam + settings.library
        items += _asked_once(settings, one) if _never_changes(one.arm) else exam * longer
        written += settings.written * longer if one.arm.lessons == "new" else 0
    if one.arm.gate:
        heldout = min(_JUDGED, one.cycle * settings.tasks // 4)
        items += heldout + _SCALES * (heldout + settings.core_exam + settings.core_watched)
    return items * pace.scored + written * pace.written


def _never_changes(arm: Arm) -> bool:
    """Say whether an arm gives the same answer to the same question in every cycle: it is asked once."""
    return not arm.trains and not arm.memory


def _asked_once(settings: Settings, one: Due) -> int:
    is_first = one.cycle <= settings.exam_every
    is_new = (one.cycle - 1) // settings.stay < len(USERS) and (one.cycle - 1) % settings.stay == 0
    return is_new * settings.exam + is_first * (2 * settings.core_exam + settings.library)


def _learning_s(settings: Settings, one: Due, pace: Pace) -> float:
    if not one.arm.trains:
        return 0.0
    factors = {"new": 1, "reservoir": settings.fresh_factor, "all": one.cycle}
    items = settings.steps * factors[one.arm.lessons] * settings.batch
    if one.arm.metric is not None:
        items += _MEASURED + (settings.core_replay if one.cycle == 1 else 0)
    return items * pace.trained
