from __future__ import annotations

import math
import random

import pytest
from tests.validation.evidences import GOOD, STILL, item

from laimark_sidecar.validation.evidence import ItemScore
from laimark_sidecar.validation.gate import Gate
from laimark_sidecar.validation.ladder import STEP, answer

GATE = Gate()


def items(margins: tuple[float, ...], step: float | None = None) -> list[ItemScore]:
    return [item(number, margin, step=step) for number, margin in enumerate(margins)]


def test_a_real_gain_passes_and_is_told_in_steps() -> None:
    found = answer(items(GOOD), GATE, best=0.0, refused=0)  # mean 0.49
    assert (found.passed, found.best, found.items) == (True, 0.5, 30)


@pytest.mark.parametrize(("margins", "step"), [(STILL, None), (tuple(-m for m in GOOD), None), (GOOD, -0.2)])
def test_no_gain_and_a_step_back_from_what_serves_fail(
    margins: tuple[float, ...], step: float | None
) -> None:
    assert not answer(items(margins, step), GATE, best=0.2, refused=0).passed


def test_a_refusal_tells_no_figure_and_moves_none() -> None:
    refusals = [
        answer(items(margins), GATE, best=0.2, refused=0) for margins in (STILL, tuple(-m for m in GOOD))
    ]
    assert refusals[0] == refusals[1]
    assert {one.best for one in refusals} == {0.2}
    assert refusals[0].reason == refusals[1].reason


@pytest.mark.parametrize("best", [0.45, 0.49, 0.5, 3.0])
def test_a_figure_that_is_not_better_by_more_than_a_step_is_not_told(best: float) -> None:
    assert answer(items(GOOD), GATE, best=best, refused=0).best == best


def test_told_figures_only_rise_and_are_few_however_many_are_asked() -> None:
    rng = random.Random(0)
    told = [0.0]
    for _ in range(300):
        mean = rng.uniform(0.0, 0.6)
        found = answer(items(tuple(mean + margin for margin in STILL)), GATE, best=told[-1], refused=0)
        told.append(found.best)
    assert told == sorted(told)
    assert len(set(told)) <= 0.6 / STEP + 1
    assert all(math.isclose(one / STEP, round(one / STEP)) for one in told)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_broken_score_fails(broken: float) -> None:
    scores = [*items(GOOD), ItemScore(id="x", tokens=1, base=-1.0, candidate=broken)]
    found = answer(scores, GATE, best=0.1, refused=0)
    assert (found.passed, found.best) == (False, 0.1)


def test_reason_names_no_figure_of_a_refused_candidate() -> None:
    refused = answer(items(STILL), GATE, best=0.0, refused=0).reason
    assert (refused.check, refused.passed, refused.value, refused.threshold) == ("promotion", False, 0.0, 1.0)
    assert not any(sign in refused.text for sign in "+.%")  # a figure would bring one of them


def test_each_refusal_raises_the_bar_and_only_refusals_do() -> None:
    # 100 items, mean .1, spread .5 within rounding: t = 2.0, one-sided p = .024; then a mean of .2, t = 4.0, p = 6e-5.
    spread = [0.5 * (-1) ** number for number in range(100)]

    def passed(mean: float, refused: int) -> bool:
        return answer(items(tuple(mean + one for one in spread)), GATE, best=0.0, refused=refused).passed

    assert not passed(0.1, 0)  # the first level is .05 · 6/π² / 2 = .0152
    assert passed(0.2, 0)
    assert passed(0.2, 14)  # .0152 / 15² = 6.8e-5
    assert not passed(0.2, 17)  # 4.7e-5
    assert passed(0.5, 1000)
