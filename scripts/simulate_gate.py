"""How often does the gate err? False accepts and false rejects over many simulated candidates.

Question: at n = 20..300 held-out items, how often does the gate accept a candidate whose true gain is zero or below
(false accept), and reject one whose true gain is real (false reject)? The same for core retention: how often does it
accept a candidate whose true core loss is at or beyond the allowed margin?

Regime: per-item margins with the heavy tails of real ones, mean = the true effect. A third of the spread is normal,
the rest a Student t of 3 degrees of freedom, scaled so that the standard deviation is `SPREAD` nats per token; plus a
skewed pair (lognormal): `lifted`, a few items gain a lot and most lose a little, and `dragged`, the reverse, where
percentile intervals are known to be optimistic. All other checks get evidence that passes. Yardstick: the accept
rate of a normal test that knows the spread; alpha/2 at effect 0, because the lower end of a two-sided interval
decides. Effects at or below 0 get four times the trials, because their rates are small.

Draws are seeded: equal arguments give equal figures. The last stdout line is JSON.

    python scripts/simulate_gate.py [--trials 400] [--sizes 20,50,100,300]
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from laimark_sidecar.validation.evidence import DriftScore, Evidence, ItemScore
from laimark_sidecar.validation.gate import Gate
from laimark_sidecar.validation.statistics import level
from laimark_sidecar.validation.verdict import judge

SPREAD = 0.5
EFFECTS = (-0.05, 0.0, 0.1, 0.2, 0.4)
SHAPES = ("symmetric", "lifted", "dragged")
TOKENS = 20


def margins(rng: np.random.Generator, shape: str, size: int, effect: float) -> list[float]:
    """Return per-item margins with mean `effect` and standard deviation `SPREAD`, in nats per token."""
    if shape == "symmetric":
        normal = rng.standard_normal(size) * math.sqrt(1 / 3)
        heavy = rng.standard_t(3, size) / math.sqrt(3) * math.sqrt(2 / 3)
        noise = normal + heavy
    else:
        log_spread = 0.75
        raw = rng.lognormal(0.0, log_spread, size)
        mean = math.exp(log_spread**2 / 2)
        noise = (raw - mean) / (mean * math.sqrt(math.expm1(log_spread**2)))
        if shape == "dragged":
            noise = -noise
    return [float(value) for value in effect + SPREAD * noise]


def items(values: Sequence[float]) -> tuple[ItemScore, ...]:
    return tuple(
        ItemScore(id=str(number), tokens=TOKENS, base=-40.0, candidate=-40.0 + TOKENS * value)
        for number, value in enumerate(values)
    )


def accept_rate(
    *, shape: str, size: int, effect: float, core_effect: float, trials: int, gate: Gate, seed: int
) -> float:
    """Return the share of simulated candidates that the whole gate accepts."""
    rng = np.random.default_rng(seed)
    drift = tuple(
        DriftScore(id=str(n), kl=0.01, entropy_base=1.0, entropy_candidate=1.0, tokens=10)
        for n in range(gate.min_drift_items)
    )
    accepted = 0
    for trial in range(trials):
        # core margins of a small adapter: a fifth of the spread, so that the margin decides and not the noise
        core = [
            core_effect + 0.2 * (value - core_effect) for value in margins(rng, "symmetric", 64, core_effect)
        ]
        found = Evidence(
            heldout=items(margins(rng, shape, size, effect)), core=items(core), drift=drift, scale=1.0
        )
        accepted += judge(found, replace(gate, seed=trial)).accepted
    return accepted / trials


def normal_power(size: int, effect: float, alpha: float) -> float:
    """Return the accept rate of a normal test that knows the spread: the yardstick."""
    normal = NormalDist()
    return normal.cdf(effect * math.sqrt(size) / SPREAD - normal.inv_cdf(1 - alpha / 2))


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--sizes", default="20,50,100,300")
    options = parser.parse_args(arguments)
    sizes = [int(size) for size in options.sizes.split(",")]
    started = time.perf_counter()
    rows: list[dict[str, float | int | str]] = []
    conditions = [*((0.05, shape) for shape in SHAPES), (level(2), "symmetric"), (level(2), "dragged")]
    for (alpha, shape), size, effect in itertools.product(conditions, sizes, EFFECTS):
        rate = accept_rate(
            shape=shape,
            size=size,
            effect=effect,
            core_effect=0.0,
            trials=options.trials * (1 if effect > 0 else 4),
            gate=Gate(alpha=alpha),
            seed=size,
        )
        row: dict[str, float | int | str] = {
            "alpha": alpha,
            "shape": shape,
            "n": size,
            "effect": effect,
            "accept": rate,
        }
        rows.append({**row, "normal": round(normal_power(size, effect, alpha), 4)})
        print(" ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    core_rows = [
        {
            "core_effect": core_effect,
            "accept": accept_rate(
                shape="symmetric",
                size=100,
                effect=0.5,
                core_effect=core_effect,
                trials=options.trials,
                gate=Gate(),
                seed=1,
            ),
        }
        for core_effect in (0.0, -0.05, -0.08, -0.1, -0.12, -0.2)
    ]
    print(
        json.dumps(
            {
                "benchmark": "simulate_gate",
                "trials": options.trials,
                "standard_error_at_half": round(0.5 / math.sqrt(options.trials), 4),
                "spread": SPREAD,
                "gain": rows,
                "core": core_rows,
                "seconds": round(time.perf_counter() - started, 1),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
