"""Does anything drift unseen in a thousand cycles? Whole lives of a served name, with gate and guard, simulated.

Question: every candidate loses a little of what the base could do (`--losses`, nats per token and cycle), too little for one
cycle to show. How far does the served version drift before the gate refuses, how often does the gate refuse a candidate that
loses nothing, and how often does the guard (`validation.e_process`) step back from a version that does no harm? For
comparison a rolling gate: the same evidence and thresholds, but each candidate is compared with the version before it.

Regime: each cycle brings 100 held-out items (true gain .3 nats, spread .5), 150 core items (spread .1 around the true loss,
drawn anew: nothing is gained from items that stay the same), and ten fresh lessons for the guard (spread .4 around `--harms`). All
other checks get evidence that passes; whoever refuses keeps what serves. Ceiling: a gate that knows the true loss refuses at
`max_core_loss` exactly. Seeds fixed; equal arguments give equal figures. The last stdout line is JSON.

    python -m scripts.simulate_lives [--cycles 1000] [--lives 5]
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace

import numpy as np

from laimark_sidecar.validation.e_process import LIMIT, e_value
from laimark_sidecar.validation.evidence import DriftScore, Evidence, ItemScore
from laimark_sidecar.validation.gate import Gate
from laimark_sidecar.validation.statistics import level
from laimark_sidecar.validation.verdict import judge

HELDOUT, CORE, FRESH, TOKENS = 100, 150, 10, 20
GAIN, GAIN_SPREAD, CORE_SPREAD, FRESH_SPREAD = 0.3, 0.5, 0.1, 0.4


def items(rng: np.random.Generator, count: int, mean: float, spread: float) -> tuple[ItemScore, ...]:
    return tuple(
        ItemScore(id=str(number), tokens=TOKENS, base=-40.0, candidate=-40.0 + TOKENS * float(margin))
        for number, margin in enumerate(rng.normal(mean, spread, count))
    )


def life(rng: np.random.Generator, *, loss: float, cycles: int, rolling: bool) -> tuple[float, int, int]:
    """Return the true loss of what serves at the end, how many candidates were refused, and which came first."""
    gate = Gate()
    drift = tuple(
        DriftScore(id=str(n), kl=0.01, entropy_base=1.0, entropy_candidate=1.0, tokens=10)
        for n in range(gate.min_drift_items)
    )
    served, refused, first, promoted = 0.0, 0, 0, 0
    for cycle in range(cycles):
        seen = loss if rolling else served + loss
        evidence = Evidence(
            heldout=items(rng, HELDOUT, GAIN, GAIN_SPREAD),
            core=items(rng, CORE, -seen, CORE_SPREAD),
            drift=drift,
            scale=1.0,
        )
        if judge(evidence, replace(gate, alpha=level(promoted + 1), seed=cycle)).accepted:
            served += loss
            promoted += 1
        else:
            refused += 1
            first = first or cycle + 1
    return served, refused, first


def bets(rng: np.random.Generator, *, harm: float, cycles: int) -> int:
    """Return the cycle after which the guard steps back; 0 for never."""
    told: list[list[float]] = []
    for cycle in range(1, cycles + 1):
        told.append([float(margin) for margin in rng.normal(-harm, FRESH_SPREAD, FRESH)])
        if e_value(told) >= LIMIT:
            return cycle
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--lives", type=int, default=5)
    parser.add_argument("--losses", type=float, nargs="*", default=[0.0, 0.0005, 0.002, 0.01])
    parser.add_argument("--harms", type=float, nargs="*", default=[0.0, 0.05, 0.1, 0.2])
    options = parser.parse_args()
    started = time.perf_counter()
    gates = []
    for rolling in (False, True):
        for loss in options.losses:
            rng = np.random.default_rng(1)
            lives = [
                life(rng, loss=loss, cycles=options.cycles, rolling=rolling) for _ in range(options.lives)
            ]
            gates.append(
                {
                    "yardstick": "the version before" if rolling else "the frozen base",
                    "loss_a_cycle": loss,
                    "loss_at_the_end": round(float(np.mean([end for end, _, _ in lives])), 4),
                    "worst": round(max(end for end, _, _ in lives), 4),
                    "refused_percent": round(
                        100 * float(np.mean([refused for _, refused, _ in lives])) / options.cycles, 2
                    ),
                }
            )
            print(gates[-1], flush=True)
    guards = []
    for harm in options.harms:
        rng = np.random.default_rng(2)
        found = [bets(rng, harm=harm, cycles=min(options.cycles, 300)) for _ in range(20 * options.lives)]
        stepped = [cycle for cycle in found if cycle]
        guards.append(
            {
                "harm": harm,
                "lives": len(found),
                "cycles": min(options.cycles, 300),
                "stepped_back_percent": round(100 * len(stepped) / len(found), 1),
                "after_cycles_median": float(np.median(stepped)) if stepped else None,
            }
        )
        print(guards[-1], flush=True)
    print(
        json.dumps(
            {
                "benchmark": "simulate_lives",
                "cycles": options.cycles,
                "lives": options.lives,
                "gate": gates,
                "guard": guards,
                "seconds": round(time.perf_counter() - started, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
