"""How far can a thousand cycles fit the held-out items that judge them? With full figures, and with the Ladder.

Question: a learner that adapts to what the gate tells it has nothing to offer (every direction is worth nothing on true
average). How often is such a candidate promoted, over `--cycles` cycles, and how good does what it ends with look on the items
that were asked, beside what it is worth?

Regime: item i finds direction d of `DIRECTIONS` likelier by a_id ~ N(0, 1), so a candidate w of length 1 has margins
`SPREAD` · (A w)_i of true mean 0. The learner is the boosting attack (Blum and Hardt 2015, section 4.2): each cycle it tries a
random direction beside what it has, and keeps it where the answer says that it helped; then offers what it has kept. That
is what a line search, a user who turns settings, or training on the log's figures amounts to, only at its worst. Items stay
the same all the time, which is the worst case too: in a home new ones arrive and replace them.

Arms, all with the project's own `estimate`, `level` and `answer`; the screen has 300 items, the promotion set 300 or 3,000:
    alone      one set, its exact gain told: what the gate was before
    figures    screen, then a promotion set judged as the screen is, the exact gains of both told to the learner
    bit        the same sets and tests, but of the promotion set only whether a candidate passed
    ladder     `validation.ladder`: the same bit, at a level that every refusal spends
    blind      the learner ignores every answer: what chance alone promotes
In `bit` and `ladder` the learner climbs the screen until something passes by luck, and then keeps only what passes too.

A promotion is false by construction. `shown` is the gain on the items that decided last, in nats per token; its truth is 0.
Seeds fixed; equal arguments give equal figures. The last stdout line is JSON.

    python -m scripts.simulate_ladder [--cycles 1000] [--lives 10]
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from laimark_sidecar.validation import checks
from laimark_sidecar.validation.evidence import ItemScore
from laimark_sidecar.validation.gate import Gate
from laimark_sidecar.validation.ladder import answer
from laimark_sidecar.validation.statistics import estimate, level

SCREEN, DIRECTIONS, SPREAD, TOKENS = 300, 1000, 0.5, 20
ARMS = ("blind", "alone", "figures", "bit", "ladder")


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What became of one learner."""

    promoted: int
    shown_screen: float
    shown_promotion: float
    """Of what the learner has at the end; the truth of both is 0."""


def margins(items: NDArray[np.float64], kept: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(kept))
    return SPREAD * (items @ kept) / (length or 1.0)


def scores(found_margins: NDArray[np.float64]) -> list[ItemScore]:
    return [
        ItemScore(id=str(number), tokens=TOKENS, base=-40.0, candidate=-40.0 + TOKENS * float(margin))
        for number, margin in enumerate(found_margins)
    ]


def gains(found_margins: NDArray[np.float64], gate: Gate) -> bool:
    """Return the screen's word on the gain."""
    found = estimate(found_margins.tolist(), alpha=gate.alpha, seed=gate.seed)
    return checks.gain(found, gate).passed


def life(rng: np.random.Generator, arm: str, *, promotion: int, cycles: int) -> Life:
    screen = rng.standard_normal((SCREEN, DIRECTIONS))
    fresh = rng.standard_normal((promotion, DIRECTIONS))
    gate, kept = Gate(), np.zeros(DIRECTIONS)
    promoted, refused, best, kept_passed = 0, 0, 0.0, False
    for cycle in range(cycles):
        offered = kept + rng.standard_normal(DIRECTIONS) / np.sqrt(DIRECTIONS)
        now = replace(gate, alpha=level(promoted + 1), seed=cycle)
        passed = gains(margins(screen, offered), now)
        asked = passed and arm != "alone"
        if asked and arm == "ladder":
            found = answer(scores(margins(fresh, offered)), gate, best=best, refused=refused)
            passed, best, refused = found.passed, found.best, refused + (not found.passed)
        elif asked:
            passed = gains(margins(fresh, offered), now)
        promoted += passed
        if arm == "blind":
            kept = np.zeros(DIRECTIONS)
        elif arm == "figures" and asked:
            helped = _gain(fresh, offered) > _gain(fresh, kept)
            kept = offered if helped else kept
        elif arm in ("bit", "ladder") and kept_passed:
            # It knows one bit of the promotion set, and does not leave what passed.
            kept = offered if passed else kept
        elif passed or _gain(screen, offered) > _gain(screen, kept):
            kept, kept_passed = offered, passed
    return Life(
        promoted=promoted,
        shown_screen=_gain(screen, kept),
        shown_promotion=_gain(fresh, kept),
    )


def _gain(items: NDArray[np.float64], kept: NDArray[np.float64]) -> float:
    return float(margins(items, kept).mean())


def row(arm: str, lives: list[Life], *, promotion: int, cycles: int) -> dict[str, Any]:
    return {
        "arm": arm,
        "promotion_items": promotion if arm != "alone" else 0,
        "false_promotions_a_cycle": round(float(np.mean([one.promoted for one in lives])) / cycles, 5),
        "lives_with_any": sum(one.promoted > 0 for one in lives),
        "shown_screen": round(float(np.mean([one.shown_screen for one in lives])), 3),
        "shown_promotion": round(float(np.mean([one.shown_promotion for one in lives])), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--lives", type=int, default=10)
    parser.add_argument("--promotion", type=int, nargs="*", default=[300, 3000])
    options = parser.parse_args()
    started = time.perf_counter()
    rows = []
    for promotion in options.promotion:
        for arm in ARMS:
            if arm == "alone" and promotion != options.promotion[0]:
                continue
            rng = np.random.default_rng(3)
            lives = [life(rng, arm, promotion=promotion, cycles=options.cycles) for _ in range(options.lives)]
            rows.append(row(arm, lives, promotion=promotion, cycles=options.cycles))
            print(json.dumps(rows[-1]), flush=True)
    print(
        json.dumps(
            {
                "benchmark": "simulate_ladder",
                "cycles": options.cycles,
                "lives": options.lives,
                "rows": rows,
                "seconds": round(time.perf_counter() - started, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
