"""The definitions: what is said of an arm, from the scores of its cells and of the base's on the same items. Pure.

All margins are paired with the frozen base on the same item, in nats a token of the right answer; above 0 is better.

* *personal gain* after a cycle: margin on the exams of all users who have come so far, each user counting the same.
* *gain, seen and unseen*: the same margin over all items together, split by whether the answer also was, as a line, an
  answer of some lesson.
* *prequential gain*: margin on a cycle's tasks before they were learned, over the cycles from the second on.
* *core margin*: margin on the base's own answers to core prompts that are never trained on; 0 for the base, at best.
* *library margin* and *tokens*: margin and change in the share of right tokens on lines of library files that the base was not
  trained on and nobody trains on or judges by: what the base could do, measured widely.
* *KL*: mean next-token KL(base || arm) on the same answers, nats.
* *backward transfer*: margin on an earlier user's exam now, less the same when that user's time ended; mean over the users
  whose time has ended (Lopez-Paz and Ranzato 2017, section 2).
* *score* = (user + core) / 2: the share of tokens of the right answers that are the model's likeliest one, each after the
  true tokens before it; on the exams of all users so far, every user counting the same, and on the core prompts.
* *core kept*: the share of tokens of the base's own answers that still are the likeliest one. Stricter than the score: of
  an unsure model many likeliest tokens change where nothing is lost.
* *style F1*: see `style_score`.
* *score in nats* = (personal gain + core margin) / 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from laimark_sidecar.bench.results import CellResult
from laimark_sidecar.bench.scoring import Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An arm after one cycle."""

    cycle: int
    personal_gain: float
    token_gain: float
    """As personal gain, in the share of right tokens."""
    exact_gain: float
    """As personal gain, in the share of answers with all tokens right."""
    core_margin: float
    core_kept: float
    library_margin: float | None
    """Margin on the right answers in library files; None where none were asked."""
    library_token_gain: float | None
    core_token_gain: float
    """Change in the share of right tokens on the core prompts."""
    kl: float
    backward_transfer: float | None
    """None while no user's time has ended."""
    score: float
    score_nats: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prequential:
    """Over the cycles from the second on, all before learning; differences to the base."""

    gain: float
    token_gain: float
    exact_gain: float | None
    """Of the greedy answers as text; None where none were written."""
    similarity_gain: float | None


def standing(cells: Sequence[CellResult], base: Sequence[CellResult], cycle: int) -> Standing:
    """Return how an arm stands after `cycle`, which must be among the cells of both."""
    arm, frozen = _at(cells, cycle), _at(base, cycle)
    gains = {user: fmean(margins(frozen.exams[user], scores)) for user, scores in arm.exams.items()}
    personal, core = fmean(gains.values()), fmean(margins(frozen.core, arm.core))
    core_right = fmean(arm.core_gold.right)
    user = fmean(fmean(scores.right) for scores in arm.exams.values())
    return Standing(
        cycle=cycle,
        personal_gain=personal,
        token_gain=user - fmean(fmean(frozen.exams[name].right) for name in arm.exams),
        exact_gain=fmean(
            fmean(scores.exact) - fmean(frozen.exams[name].exact) for name, scores in arm.exams.items()
        ),
        core_margin=core,
        core_kept=fmean(arm.core.right),
        library_margin=fmean(margins(frozen.library, arm.library)) if arm.library.nll else None,
        library_token_gain=(
            fmean(arm.library.right) - fmean(frozen.library.right) if arm.library.nll else None
        ),
        core_token_gain=core_right - fmean(frozen.core_gold.right),
        kl=fmean(arm.core.kl),
        backward_transfer=_backward_transfer(cells, base, arm, gains),
        score=(user + core_right) / 2,
        score_nats=(personal + core) / 2,
    )


def prequential(cells: Sequence[CellResult], base: Sequence[CellResult]) -> Prequential | None:
    """Return the prequential differences; None for an arm that has none."""
    pairs = [(cell, _at(base, cell.cycle)) for cell in cells if cell.cycle > 1 and cell.prequential.nll]
    if not pairs:
        return None
    return Prequential(
        gain=fmean(m for arm, frozen in pairs for m in margins(frozen.prequential, arm.prequential)),
        token_gain=fmean(
            a - b
            for arm, frozen in pairs
            for a, b in zip(arm.prequential.right, frozen.prequential.right, strict=True)
        ),
        exact_gain=_mean_change((arm.greedy_exact, frozen.greedy_exact) for arm, frozen in pairs),
        similarity_gain=_mean_change((arm.similarity, frozen.similarity) for arm, frozen in pairs),
    )


def _mean_change(pairs: Iterable[tuple[Sequence[float], Sequence[float]]]) -> float | None:
    changes = [mine - theirs for arm, base in pairs for mine, theirs in zip(arm, base, strict=True)]
    return fmean(changes) if changes else None


def split_gains(cell: CellResult, frozen: CellResult, seen: Mapping[str, Sequence[bool]]) -> dict[str, float]:
    """Return the mean margin of exam answers that stood among the lessons as lines, and of all others."""
    found: dict[bool, list[float]] = {True: [], False: []}
    for user, scores in cell.exams.items():
        for margin, is_seen in zip(margins(frozen.exams[user], scores), seen[user], strict=True):
            found[is_seen].append(margin)
    names = {True: "personal_gain_seen", False: "personal_gain_unseen"}
    return {names[side]: fmean(values) for side, values in found.items() if values}


def margins(base: Scores, arm: Scores) -> list[float]:
    """Return the margin of each item."""
    return [b - a for b, a in zip(base.nll, arm.nll, strict=True)]


def score_differences(arm: CellResult, other: CellResult) -> list[float]:
    """Return one figure an item whose mean is the difference of the two arms' scores: what a bootstrap resamples.

    Each difference in right tokens is weighted by what its item counts in the score, times the number of items.
    """
    groups = [
        (arm.exams[user].right, other.exams[user].right, 0.5 / len(arm.exams)) for user in arm.exams
    ] + [(arm.core_gold.right, other.core_gold.right, 0.5)]
    count = sum(len(mine) for mine, _, _ in groups)
    return [
        (a - b) * weight / len(mine) * count
        for mine, theirs, weight in groups
        for a, b in zip(mine, theirs, strict=True)
    ]


def nats_differences(arm: CellResult, other: CellResult) -> list[float]:
    """Return the same for the score in nats."""
    groups = [(margins(other.exams[user], arm.exams[user]), 0.5 / len(arm.exams)) for user in arm.exams]
    groups.append((margins(other.core, arm.core), 0.5))
    count = sum(len(found) for found, _ in groups)
    return [difference * weight / len(found) * count for found, weight in groups for difference in found]


def _backward_transfer(
    cells: Sequence[CellResult], base: Sequence[CellResult], arm: CellResult, gains: dict[str, float]
) -> float | None:
    last = {cell.user: cell.cycle for cell in cells if cell.cycle <= arm.cycle and cell.user in cell.exams}
    changes = [
        gain - fmean(margins(_at(base, last[user]).exams[user], _at(cells, last[user]).exams[user]))
        for user, gain in gains.items()
        if user != arm.user and user in last
    ]
    return fmean(changes) if changes else None


def _at(cells: Sequence[CellResult], cycle: int) -> CellResult:
    return next(cell for cell in cells if cell.cycle == cycle)
