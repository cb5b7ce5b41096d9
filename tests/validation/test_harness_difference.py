from __future__ import annotations

import random

import numpy as np
import pytest

from laimark_sidecar.validation.harness import MetricScores
from laimark_sidecar.validation.harness_difference import differences, paired_stderr


def scored(scores: list[float], *, value: float | None = None, metric: str = "exact_match") -> MetricScores:
    return MetricScores(
        task="toy",
        metric=metric,
        filter="none",
        value=sum(scores) / len(scores) if value is None else value,
        higher_is_better=True,
        questions=tuple(range(len(scores))),
        scores=tuple(scores),
    )


def test_the_difference_is_the_version_s_minus_the_base_s() -> None:
    (found,) = differences([scored([0, 1, 0, 1])], [scored([1, 1, 1, 1])])
    assert (found.base, found.version, found.difference, found.questions) == (0.5, 1.0, 0.5, 4)
    assert (found.task, found.metric, found.filter, found.higher_is_better) == (
        "toy",
        "exact_match",
        "none",
        True,
    )


def test_the_standard_error_is_that_of_the_mean_of_paired_differences() -> None:
    rng = random.Random(7)
    before = [float(rng.random() < 0.4) for _ in range(60)]
    after = [one if rng.random() < 0.8 else 1.0 - one for one in before]
    found = paired_stderr(scored(before), scored(after))
    # Oracle: numpy.
    assert found == pytest.approx(np.std(np.subtract(after, before), ddof=1) / np.sqrt(60))


def test_questions_that_are_hard_for_both_do_not_widen_the_error() -> None:
    hard_and_easy = [0.0, 1.0] * 20
    assert paired_stderr(scored(hard_and_easy), scored(hard_and_easy)) == 0.0


@pytest.mark.parametrize(
    ("base", "version"),
    [
        (scored([1.0]), scored([0.0])),
        (scored([1.0, 0.0, 1.0], value=31.7), scored([1.0, 1.0, 1.0], value=33.2)),
        (scored([1.0, 0.0]), scored([1.0, 0.0, 1.0])),
    ],
    ids=["one question", "no mean of its questions", "other questions"],
)
def test_there_is_no_error_where_pairs_say_nothing_of_it(base: MetricScores, version: MetricScores) -> None:
    (found,) = differences([base], [version])
    assert found.stderr is None
    assert found.difference == pytest.approx(version.value - base.value)


def test_a_metric_that_only_one_has_is_left_out() -> None:
    both = scored([0.0, 1.0])
    assert [one.metric for one in differences([both, scored([1.0, 1.0], metric="f1")], [both])] == [
        "exact_match"
    ]
