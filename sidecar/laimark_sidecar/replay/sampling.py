"""Which past lessons to see again: proportional to surprise, corrected for it, and most forgotten first.

Arrays are one-dimensional: N items that may be drawn.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from laimark_sidecar.replay.item import Item

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALPHA = 0.6
"""Exponent of the priority (Schaul et al. 2016, arXiv 1511.05952): 0 is uniform, 1 is greedy."""
BETA = 0.4
"""Exponent of the importance weights: 0 corrects nothing, 1 corrects all of the sampling's bias."""
FLOOR = 0.01
"""Nats added to every priority, so that a lesson learned by heart is still looked at now and then."""
OVERDRAW = 3
"""Candidates drawn for each one kept (maximally interfered retrieval, arXiv 1908.04742)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """An item of the buffer, and how it came to be drawn."""

    item: Item
    probability: float
    """P(i) of a single draw; all items that may be drawn sum to 1."""
    importance_weight: float
    """`(N * P(i))^-beta`, divided by the largest of the draw: in (0, 1]."""


def draw_weights(
    priority: NDArray[np.float64], signal_weight: NDArray[np.float64], stratum: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return `(p + floor)^alpha` of every item; a negative priority means that its surprise is not known yet.

    An unknown one counts as the median of its stratum, or as its signal weight times 1.0 nat where the whole
    stratum is unknown. `stratum` is sorted.
    """
    import numpy as np

    filled = np.where(priority < 0, signal_weight, priority)
    starts = np.flatnonzero(np.diff(stratum, prepend=-1)).tolist()
    for start, end in itertools.pairwise([*starts, len(stratum)]):
        part = priority[start:end]
        known = part[part >= 0]
        if 0 < len(known) < len(part):
            filled[start:end][part < 0] = np.median(known)
    weights: NDArray[np.float64] = (filled + FLOOR) ** ALPHA
    return weights


def choose(weights: NDArray[np.float64], count: int, rng: random.Random) -> list[int]:
    """Return up to `count` distinct indices, in draw order, each draw proportional to the weights that are left.

    Exponential races are successive sampling without replacement (Efraimidis and Spirakis 2006).
    """
    import numpy as np

    count = min(count, len(weights))
    arrival = np.random.default_rng(rng.getrandbits(128)).exponential(size=len(weights)) / weights
    first = np.argpartition(arrival, count - 1)[:count] if count else np.empty(0, dtype=np.int64)
    ordered: list[int] = first[np.argsort(arrival[first])].tolist()
    return ordered


def most_interfered(rise: Sequence[float | None], count: int) -> list[int]:
    """Return the `count` candidates whose loss rose most since the last accepted adapter, in draw order.

    A candidate whose rise is not known counts as unchanged; equals are kept in draw order.
    """
    by_rise = sorted(range(len(rise)), key=lambda index: -(rise[index] or 0.0))
    return sorted(by_rise[:count])


def importance_weights(probability: Sequence[float]) -> list[float]:
    """Return `(N * P)^-beta` over its maximum; N cancels."""
    smallest = min(probability, default=1.0)
    return [(probability / smallest) ** -BETA for probability in probability]
