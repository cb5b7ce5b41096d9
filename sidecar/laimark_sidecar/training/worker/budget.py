"""The budget of forgetting: the core penalty's strength is in nats and follows the measured KL. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

MEASURE_EVERY_STEPS = 10
FIRST_MEASURE_STEP = 5
_TINY_KL = 1e-4
_TINY_OMEGA = 1e-12
_LAMBDA_MIN = 1e-3
_LAMBDA_MAX = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """State of the governor; part of every checkpoint.

    `nats_per_omega` is the constant c that turns the penalty into nats, 0 until it can be fitted.
    """

    lambda_core: float
    nats_per_omega: float = 0.0
    kl_core: float = 0.0
    """Last measured mean next-token KL(base || model) on the fixed core prompts, nats."""
    measured_step: int = -1

    @property
    def factor(self) -> float:
        """What the raw penalty Ω of the core anchor is multiplied by: λ·c."""
        return self.lambda_core * self.nats_per_omega


def is_measured_at(step: int, *, steps: int) -> bool:
    """Say whether KL is measured after `step` optimiser steps: 0, 5, then every 10, and at the end."""
    return step in (0, FIRST_MEASURE_STEP, steps) or step % MEASURE_EVERY_STEPS == 0


def observe(budget: Budget, *, step: int, kl: float, omega: float, kl_soft: float) -> Budget:
    """Return the budget after a measurement.

    Formula: `c = KL / Ω` once, as soon as both can be told from zero; from the next measurement on
    `λ ← λ·exp(½(KL / kl_soft - 1))`, kept within [1e-3, 1e3] (dual ascent on KL ≤ kl_soft).
    """
    seen = replace(budget, kl_core=kl, measured_step=step)
    if budget.nats_per_omega == 0.0:
        fits = kl > _TINY_KL and omega > _TINY_OMEGA
        return replace(seen, nats_per_omega=kl / omega) if fits else seen
    if budget.lambda_core == 0.0:
        return seen
    # Beyond e^14 the clip decides anyway; an unbounded exponent overflows on a diverged model.
    grown = budget.lambda_core * math.exp(min(0.5 * (kl / kl_soft - 1.0), 14.0))
    return replace(seen, lambda_core=min(max(grown, _LAMBDA_MIN), _LAMBDA_MAX))


def learning_rate(step: int, *, steps: int, warmup_steps: int, peak: float) -> float:
    """Return the rate of the 0-based `step`: linear warm-up, then half a cosine down to a tenth of the peak."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return peak * (0.1 + 0.9 * 0.5 * (1.0 + math.cos(math.pi * progress)))


def user_factor(*, share: float, task_norm: float, penalty_norm: float) -> float:
    """Return what makes the user anchor's gradient `share` times as long as the task's; 0 at the anchor itself."""
    return share * task_norm / penalty_norm if penalty_norm > _TINY_OMEGA else 0.0
