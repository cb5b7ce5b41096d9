"""What an adapter changed of lm-eval's scores: paired by question, with the standard error of the difference. Pure.

Paired, because both were asked the same questions: what is hard for both falls out, and the error of the difference is
often a fraction of what two unpaired errors would suggest (Miller 2024, arXiv 2411.00640, section 4.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from laimark_sidecar.validation.harness import MetricScores

_SAME = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One metric of one task, the base's and the version's."""

    task: str
    metric: str
    filter: str
    questions: int
    base: float
    version: float
    difference: float
    """Version minus base."""
    stderr: float | None
    """Of the difference, paired; None for fewer than two questions, or where the metric is not a mean over questions."""
    higher_is_better: bool | None


def differences(base: Sequence[MetricScores], version: Sequence[MetricScores]) -> tuple[Difference, ...]:
    """Return what differs, metric by metric, in the base's order; a metric that only one of them has is left out."""
    by_key = {(one.task, one.metric, one.filter): one for one in version}
    return tuple(
        _difference(one, other) for one in base if (other := by_key.get((one.task, one.metric, one.filter)))
    )


def _difference(base: MetricScores, version: MetricScores) -> Difference:
    return Difference(
        task=base.task,
        metric=base.metric,
        filter=base.filter,
        questions=len(base.questions),
        base=base.value,
        version=version.value,
        difference=version.value - base.value,
        stderr=paired_stderr(base, version),
        higher_is_better=base.higher_is_better,
    )


def paired_stderr(base: MetricScores, version: MetricScores) -> float | None:
    """Return the standard error of the mean of the questions' differences: `sqrt(Σ(d - mean d)² / (n-1) / n)`.

    A corpus metric (BLEU, perplexity) is no mean of its questions' scores, so theirs say nothing of its error: None.
    """
    n = len(base.scores)
    if n < 2 or base.questions != version.questions or not (_is_mean(base) and _is_mean(version)):
        return None
    steps = [after - before for before, after in zip(base.scores, version.scores, strict=True)]
    mean = math.fsum(steps) / n
    return math.sqrt(math.fsum((step - mean) ** 2 for step in steps) / (n - 1) / n)


def _is_mean(scored: MetricScores) -> bool:
    scores = scored.scores
    return len(scores) == len(scored.questions) and math.isclose(
        math.fsum(scores) / len(scores), scored.value, rel_tol=_SAME, abs_tol=_SAME
    )
