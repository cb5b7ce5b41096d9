from __future__ import annotations

import math

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
