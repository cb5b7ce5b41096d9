from __future__ import annotations

import itertools
import math
import random
import statistics as oracle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.validation.statistics import (
    estimate,
    level,
    lower_bound,
    sign_flip_p,
    student_quantile,
    worst_mean,
)

margins = st.lists(st.floats(-5, 5), min_size=6, max_size=40)


def test_the_mean_is_the_mean() -> None:
    values = [0.1, -0.4, 2.0, 0.3, 0.3, 0.9]
    assert estimate(values, alpha=0.05).mean == pytest.approx(oracle.fmean(values))


def test_differences_that_are_all_equal_leave_no_doubt() -> None:
    found = estimate([0.25] * 12, alpha=0.05)
    assert (found.low, found.high) == (0.25, 0.25)
    assert found.p == 1 / 2001
    assert found.method == "bootstrap"


def test_the_interval_agrees_with_every_resample_counted() -> None:
    """Oracle: all 6^6 resamples of six values, enumerated."""
    values = [-0.3, 0.1, 0.4, 0.5, 1.1, 2.0]
    means = sorted(math.fsum(resample) / 6 for resample in itertools.product(values, repeat=6))
    found = estimate(values, alpha=0.1, draws=40_000)
    assert found.low == pytest.approx(means[len(means) // 20], abs=0.02)
    assert found.high == pytest.approx(means[-(len(means) // 20)], abs=0.02)
    assert found.p == pytest.approx(sum(mean <= 0 for mean in means) / len(means), abs=0.003)


def test_a_large_normal_sample_gets_the_textbook_interval() -> None:
    """Oracle: mean ± 1.96 s/sqrt(n), to which the percentile interval tends."""
    rng = random.Random(5)
    values = [rng.gauss(0.3, 1.0) for _ in range(2000)]
    found = estimate(values, alpha=0.05, draws=4000)
    half = 1.96 * oracle.pstdev(values) / math.sqrt(len(values))
    assert found.low == pytest.approx(found.mean - half, abs=half * 0.08)
    assert found.high == pytest.approx(found.mean + half, abs=half * 0.08)


def test_blocks_of_resamples_are_as_good_as_one() -> None:
    """20,000 items are resampled in blocks of 6 to bound the memory; oracle as above."""
    values = [float(number % 2) for number in range(20_000)]
    found = estimate(values, alpha=0.05, draws=300)
    assert found.low == pytest.approx(0.5 - 1.96 * 0.5 / math.sqrt(20_000), abs=0.0015)


@given(margins, st.integers(0, 9))
def test_equal_seeds_give_equal_results(values: list[float], seed: int) -> None:
    assert estimate(values, alpha=0.05, seed=seed, draws=50) == estimate(
        values, alpha=0.05, seed=seed, draws=50
    )


@given(margins)
def test_an_interval_lies_within_the_values_and_widens_with_confidence(values: list[float]) -> None:
    wide, narrow = estimate(values, alpha=0.02, draws=200), estimate(values, alpha=0.4, draws=200)
    slack = 1e-9
    assert min(values) - slack <= wide.low <= narrow.low <= narrow.high <= wide.high <= max(values) + slack


@given(margins)
def test_turning_all_signs_turns_the_interval(values: list[float]) -> None:
    found = estimate(values, alpha=0.1, draws=200)
    turned = estimate([-value for value in values], alpha=0.1, draws=200)
    assert turned.low == pytest.approx(-found.high, abs=1e-9)


@pytest.mark.parametrize(
    ("values", "p"),
    [
        ([1.0], 1 / 2),
        ([1.0, 2.0], 1 / 4),
        ([-1.0, 2.0], 2 / 4),  # sums 3, 1, -1, -3: two are at least 1
        ([1.0, 1.0, 1.0], 1 / 8),
        ([1.0, 2.0, -3.0], 5 / 8),  # sums -6 -4 -2 0 0 2 4 6: five are at least 0
        ([0.0, 0.0], 1.0),
        ([-1.0, -2.0], 1.0),
        ([0.1, 0.2, 0.3, 0.4, 0.5], 1 / 32),
    ],
)
def test_the_sign_flip_test_agrees_with_counting_by_hand(values: list[float], p: float) -> None:
    assert sign_flip_p(values) == p


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_few_items_are_judged_exactly_and_without_an_interval_that_they_cannot_give(n: int) -> None:
    found = estimate([0.5 + 0.1 * number for number in range(n)], alpha=0.05)
    assert found.method == "exact"
    assert found.p == 0.5**n
    assert found.low == -math.inf


def test_five_items_reach_a_modest_confidence() -> None:
    found = estimate([0.5, 0.6, 0.7, 0.8, 0.9], alpha=0.1)
    assert (found.low, found.high) == (0.5, 0.9)


def test_the_worst_mean_is_that_of_the_lowest_share() -> None:
    values = [float(number) for number in range(100)]
    assert worst_mean(values, share=0.05) == 2.0
    assert worst_mean(values[:3], share=0.05) == 0.0
    assert worst_mean([7.0], share=0.5) == 7.0


def test_the_levels_of_all_promotions_add_up_to_alpha() -> None:
    """Oracle: the sum of 1/k² is π²/6 (Euler); its tail beyond K is below 1/K."""
    total = math.fsum(level(k, floor=0.0) for k in range(1, 20_001))
    assert 0.05 * (1 - 1 / 20_000) <= total <= 0.05


def test_the_floor_holds_from_the_second_promotion_on() -> None:
    assert level(1) == pytest.approx(0.0304, abs=1e-4)
    assert [level(k) for k in (2, 3, 100)] == [0.01, 0.01, 0.01]
    assert level(2, floor=0.0) == pytest.approx(0.0076, abs=1e-4)


def test_promotions_count_from_one() -> None:
    with pytest.raises(ValueError, match="not 0"):
        level(0)


def test_a_level_that_the_user_chose_below_the_floor_is_kept() -> None:
    assert level(1, alpha=0.005) == level(9, alpha=0.005) == 0.005


@pytest.mark.parametrize(
    ("p", "degrees", "quantile"),
    # Oracle: the printed tables of Student's t.
    [
        (0.975, 29, 2.0452),
        (0.995, 29, 2.7564),
        (0.9995, 29, 3.6594),
        (0.975, 100, 1.9840),
        (0.9995, 100, 3.3905),
    ],
)
def test_student_quantiles_are_those_of_the_tables(p: float, degrees: int, quantile: float) -> None:
    assert student_quantile(p, degrees=degrees) == pytest.approx(quantile, rel=1e-3)


def test_bound_is_the_mean_less_so_many_standard_errors() -> None:
    values = [0.1, -0.4, 2.0, 0.3, 0.3, 0.9] * 6
    error = oracle.stdev(values) / 6
    # t of 35 degrees at .975 is 2.0301
    assert lower_bound(values, alpha=0.025) == pytest.approx(oracle.fmean(values) - 2.0301 * error, rel=1e-3)
    assert lower_bound([0.25] * 12, alpha=1e-9) == 0.25


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.001])
def test_bound_is_above_the_truth_as_often_as_its_level_says(alpha: float) -> None:
    rng = random.Random(5)
    trials = 20_000
    wrong = sum(lower_bound([rng.gauss(0.0, 0.5) for _ in range(30)], alpha=alpha) > 0 for _ in range(trials))
    assert wrong / trials == pytest.approx(alpha, abs=4 * (alpha / trials) ** 0.5)
