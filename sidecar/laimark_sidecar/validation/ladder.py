"""What leaves the gate about the promotion set: yes or no, and the best gain so far on a coarse scale.

Every figure told about a set of items helps to fit it: whoever sees exact gains can reach any gain on n items in about n
questions, with none on others. The Ladder (Blum and Hardt 2015, arXiv 1502.04585, figure 1) tells a new figure only if it
is better than the best so far by more than a step, rounded to steps, else the best again. So few figures are told, however
many candidates are asked about. Of one that is refused nothing else leaves, so a refusal never moves the figure.

Ours tells one bit more, whether the candidate passed, as promoting it shows that anyhow. That bit costs a level that
falls with every refusal, 6/(π²k²) of `alpha` for the k-th: along the one path on which all that is worth nothing is refused
each candidate is fixed before the items are asked, so that any of them ever passes has a chance of at most `alpha`, for
any number of cycles and any learner (a union bound; `scripts/simulate_ladder.py`). What passes costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from laimark_sidecar.validation import checks
from laimark_sidecar.validation.checks import Reason
from laimark_sidecar.validation.evidence import Evidence, ItemScore
from laimark_sidecar.validation.gate import Gate
from laimark_sidecar.validation.statistics import level, lower_bound

STEP = 0.05
"""Nats per token. At 300 items of spread .5 the standard error is .03: a step is what noise alone rarely makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All that may be known of one candidate's figures on the promotion set."""

    passed: bool
    best: float
    """The best gain told so far, this candidate included, in nats per token: a multiple of `STEP`, 0 for none yet."""
    items: int

    @property
    def reason(self) -> Reason:
        """The same as one of the gate's reasons; without a figure of this candidate."""
        text = (
            f"holds up on {self.items} held-out items kept for promotions (best so far about {self.best:+.2f} nats/token)"
            if self.passed
            else f"does not hold up on the {self.items} held-out items kept for promotions; how far off is not told, "
            "as that would wear them out"
        )
        return Reason(
            check="promotion", passed=self.passed, value=float(self.passed), threshold=1.0, text=text
        )


def answer(items: Sequence[ItemScore], gate: Gate, *, best: float, refused: int) -> Answer:
    """Ask the promotion set about one candidate. Equal arguments give an equal answer.

    It passes if it is surely better than the frozen base, and not significantly worse than what serves.

    Args:
        items: at least two; a score that is not finite fails the candidate.
        gate: thresholds; `alpha` is what all levels together add up to.
        best: what the answer before told.
        refused: how many candidates were refused by this set before.
    """
    finite = all(math.isfinite(figure) for one in items for figure in (one.margin, one.previous or 0.0))
    if not finite:
        return Answer(passed=False, best=best, items=len(items))
    margins = [one.margin for one in items]
    gain = math.fsum(margins) / len(margins)
    alpha = level(refused + 1, alpha=gate.alpha, floor=0.0)
    previous = checks.previous(Evidence(heldout=tuple(items), core=(), drift=(), scale=1.0), gate)
    passed = (
        gain > gate.min_gain
        and lower_bound(margins, alpha=alpha / 2) > 0
        and (previous is None or previous.passed)
    )
    return Answer(passed=passed, best=_told(gain, best) if passed else best, items=len(items))


def _told(gain: float, best: float) -> float:
    return round(round(gain / STEP) * STEP, 9) if gain > best + STEP else best
