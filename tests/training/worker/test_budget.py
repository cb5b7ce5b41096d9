from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from laimark_sidecar.training.worker.budget import Budget, is_measured_at, learning_rate, observe, user_factor


def test_the_penalty_is_off_until_its_constant_can_be_fitted() -> None:
    budget = observe(Budget(lambda_core=1.0), step=0, kl=0.0, omega=0.0, kl_soft=0.02)
    assert budget.factor == 0.0
    assert budget.measured_step == 0


def test_the_constant_turns_the_penalty_into_nats() -> None:
    budget = observe(Budget(lambda_core=1.0), step=5, kl=0.03, omega=0.6, kl_soft=0.02)
    assert budget.factor * 0.6 == pytest.approx(0.03)


def test_the_constant_is_fitted_once() -> None:
    fitted = observe(Budget(lambda_core=1.0), step=5, kl=0.03, omega=0.6, kl_soft=0.02)
    later = observe(fitted, step=10, kl=0.05, omega=0.6, kl_soft=0.02)
    assert later.nats_per_omega == fitted.nats_per_omega


@pytest.mark.parametrize(("kl", "expected"), [(0.02, 1.0), (0.04, math.exp(0.5)), (0.0, math.exp(-0.5))])
def test_the_multiplier_follows_the_measured_kl(kl: float, expected: float) -> None:
    budget = Budget(lambda_core=1.0, nats_per_omega=0.1)
    assert observe(budget, step=10, kl=kl, omega=1.0, kl_soft=0.02).lambda_core == pytest.approx(expected)


@pytest.mark.parametrize(("kl", "bound"), [(1e9, 1e3), (0.0, 1e-3)])
def test_the_multiplier_stays_in_its_bounds(kl: float, bound: float) -> None:
    budget = Budget(lambda_core=1.0, nats_per_omega=0.1)
    for step in range(20):
        budget = observe(budget, step=step, kl=kl, omega=1.0, kl_soft=0.02)
    assert budget.lambda_core == bound


def test_a_penalty_that_is_switched_off_stays_off() -> None:
    budget = Budget(lambda_core=0.0, nats_per_omega=0.1)
    assert observe(budget, step=10, kl=1.0, omega=1.0, kl_soft=0.02).factor == 0.0


def test_kl_is_measured_at_the_start_soon_after_regularly_and_at_the_end() -> None:
    assert [step for step in range(24) if is_measured_at(step, steps=23)] == [0, 5, 10, 20, 23]


def test_the_learning_rate_warms_up_and_decays_to_a_tenth() -> None:
    rates = [learning_rate(step, steps=50, warmup_steps=5, peak=1.0) for step in range(51)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[50] == pytest.approx(0.1)


def test_the_user_anchor_pulls_with_its_share_of_the_task_gradient() -> None:
    assert user_factor(share=0.1, task_norm=5.0, penalty_norm=0.25) * 0.25 == pytest.approx(0.5)
    assert user_factor(share=0.1, task_norm=5.0, penalty_norm=0.0) == 0.0


SOFT = 0.02
CYCLES_A_USER, STEPS, RATE, WIDTH = 3, 60, 0.05, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What was measured in the cycles of one life."""

    ends: tuple[float, ...]
    """KL after each cycle."""
    peaks: tuple[float, ...]
    """The largest KL measured in each cycle."""
    budget: Budget


def live(users: Sequence[float], *, seed: int, governed: bool = True) -> Lived:
    """Simulate cycles in a quadratic world; c and lambda are carried from cycle to cycle as sessions do.

    The task is `½ Σ h (d - t)²`, the distance from the base `½ mean k d²`, and the penalty's curvature C is k wrong by up to
    a factor of three in each direction, as a curvature from few prompts is. Steps are implicit (proximal), exact for the
    quadratic: whatever is seen is the governor's doing and no instability of large steps.

    Args:
        users: how far from the base each user's target t lies (standard deviation); each stays for three cycles.
        seed: of the world and its users.
        governed: without, lambda is 0.
    """
    rng = random.Random(seed)
    k = normalised([rng.lognormvariate(0.0, 1.0) for _ in range(WIDTH)])
    c = normalised([one * rng.uniform(1 / 3, 3) for one in k])
    h = [rng.lognormvariate(0.0, 0.5) for _ in range(WIDTH)]
    d, budget = [0.0] * WIDTH, Budget(lambda_core=1.0 if governed else 0.0)
    ends, peaks = [], []
    for far in users:
        t = [rng.gauss(0.0, far) for _ in range(WIDTH)]
        for _ in range(CYCLES_A_USER):
            budget = replace(budget, kl_core=0.0, measured_step=-1)
            seen = []
            for step in range(STEPS + 1):
                if is_measured_at(step, steps=STEPS):
                    seen.append(distance(k, d))
                    budget = observe(budget, step=step, kl=seen[-1], omega=distance(c, d), kl_soft=SOFT)
                if step < STEPS:
                    d = [
                        (old + RATE * pull * to) / (1.0 + RATE * (pull + budget.factor * stiff))
                        for old, pull, to, stiff in zip(d, h, t, c, strict=True)
                    ]
            ends.append(seen[-1])
            peaks.append(max(seen))
    return Lived(ends=tuple(ends), peaks=tuple(peaks), budget=budget)


def normalised(values: Sequence[float]) -> list[float]:
    mean = sum(values) / len(values)
    return [value / mean for value in values]


def distance(curvature: Sequence[float], d: Sequence[float]) -> float:
    return 0.5 * sum(one * x * x for one, x in zip(curvature, d, strict=True)) / len(d)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("far", [0.5, 1.0, 2.0])
def test_the_distance_is_held_near_the_budget_however_far_changing_users_pull(far: float, seed: int) -> None:
    free = live([far] * 8, seed=seed, governed=False)
    held = live([far] * 8, seed=seed)
    assert min(free.ends[CYCLES_A_USER - 1 :: CYCLES_A_USER]) > 2 * SOFT  # as each user goes
    for peak, end in list(zip(held.peaks, held.ends, strict=True))[CYCLES_A_USER:]:
        assert peak < 2 * SOFT
        assert end == pytest.approx(SOFT, rel=0.3)
    assert list(held.ends[2 * CYCLES_A_USER - 1 :: CYCLES_A_USER]) == pytest.approx([SOFT] * 7, rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_a_user_who_asks_for_less_than_the_budget_gets_all_of_it(seed: int) -> None:
    free = live([0.1] * 6, seed=seed, governed=False)
    held = live([0.1] * 6, seed=seed)
    assert max(free.ends) < SOFT
    assert held.ends[-1] == pytest.approx(free.ends[-1], rel=0.05)
    assert held.budget.lambda_core == 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_a_far_user_after_a_near_one_overspends_at_first_and_is_back_after_a_cycle(seed: int) -> None:
    """The price of a governor that lets go: lambda is at its floor when the far user comes, and is told of him late."""
    lived = live([0.1, 2.0] * 4, seed=seed)
    for first in range(CYCLES_A_USER, len(lived.ends), 2 * CYCLES_A_USER):
        if first > CYCLES_A_USER:
            assert lived.peaks[first] > 5 * SOFT
        assert lived.ends[first] < 2 * SOFT
        assert all(
            end == pytest.approx(SOFT, rel=0.25) for end in lived.ends[first + 1 : first + CYCLES_A_USER]
        )
