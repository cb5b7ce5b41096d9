"""Marks for answers, and whether one set of answers is better than another beyond chance."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from laimark_sidecar.demo.code_tasks import Task
from laimark_sidecar.demo.user import normalised
from laimark_sidecar.validation.statistics import Estimate, estimate

LEVEL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """One mark a task, in [0, 1]: exact match after white-space normalisation, and edit similarity."""

    exact: tuple[float, ...]
    similarity: tuple[float, ...]

    @property
    def exact_mean(self) -> float:
        return sum(self.exact) / len(self.exact)

    @property
    def similarity_mean(self) -> float:
        return sum(self.similarity) / len(self.similarity)


def mark(tasks: Sequence[Task], answers: Sequence[str]) -> Marks:
    """Compare answers with what the files really say."""
    pairs = [
        (normalised(task.answer), normalised(answer)) for task, answer in zip(tasks, answers, strict=True)
    ]
    return Marks(
        exact=tuple(float(gold == answer) for gold, answer in pairs),
        similarity=tuple(similarity(gold, answer) for gold, answer in pairs),
    )


def similarity(gold: str, answer: str) -> float:
    """Return difflib's ratio: twice the matching characters over the characters of both, 1.0 when equal."""
    return difflib.SequenceMatcher(None, gold, answer, autojunk=False).ratio()


def gains(before: Marks, after: Marks) -> tuple[Estimate, Estimate]:
    """Return the mean paired gain in exact match and in edit similarity, with 95% bootstrap intervals."""
    return (
        estimate([b - a for a, b in zip(before.exact, after.exact, strict=True)], alpha=LEVEL, seed=0),
        estimate(
            [b - a for a, b in zip(before.similarity, after.similarity, strict=True)], alpha=LEVEL, seed=0
        ),
    )
