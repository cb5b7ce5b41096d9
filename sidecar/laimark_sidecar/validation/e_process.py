"""Is what serves worse than the base on what the user brings? A bet that may be looked at after every cycle, for ever.

Each fresh lesson is scored before it may be learned. Against the claim "on the whole the served version finds them no
less likely than the base does" a gambler stakes a part of what he has on every lesson: E multiplies by 1 - rate · margin.
While the claim holds, he wins nothing on average whatever he has seen, so E ever reaching `LIMIT` has a chance of at most
1/`LIMIT` (Ville's inequality; Ramdas et al., "Game-theoretic statistics and safe anytime-valid inference", 2023, section 3).
Hidden losses that no single test sees add up here.

A long good past would leave him nothing to bet with when things turn bad. So he keeps a part of his stake for a game that
begins anew with the k-th cycle, 6/(π²k²) of it for each k: the parts are bets of their own, and their sum is one, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

LIMIT = 20.0
MOST_NATS = 1.0
"""Margins count at most this much either way: one odd lesson must neither make nor break the case."""
RATES = (0.05, 0.1, 0.2, 0.4)
"""What is staked, in equal parts: small ones see small losses late, large ones large losses soon."""


def e_value(cycles: Sequence[Iterable[float]]) -> float:
    """Return E after these cycles' fresh lessons, in the order in which they came; 1 where there are none.

    Args:
        cycles: margins of each cycle: the log-probability of the right answer under the served version minus that under
            the base, in nats per token; one that is not finite counts as the worst: a broken version says nothing else.
    """
    if not cycles:
        return 1.0
    shares = [6 / (math.pi**2 * begun**2) for begun in range(1, len(cycles) + 1)]
    value = 1.0 - sum(shares)  # of games that have not begun
    logs = [0.0] * len(RATES)
    for share, margins in zip(reversed(shares), reversed(cycles), strict=True):
        for margin in margins:
            bounded = max(-MOST_NATS, min(MOST_NATS, margin)) if math.isfinite(margin) else -MOST_NATS
            for number, rate in enumerate(RATES):
                logs[number] += math.log1p(-rate * bounded)
        # Logarithms, because a game may be won beyond what a float holds.
        value += share * sum(math.exp(min(log, 700.0)) for log in logs) / len(RATES)
    return value
