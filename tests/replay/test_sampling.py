from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from laimark_sidecar.replay.sampling import (
    ALPHA,
    BETA,
    FLOOR,
    choose,
    draw_weights,
    importance_weights,
    most_interfered,
)


def weights_of(priorities: list[float], signal_weights: list[float], strata: list[int]) -> list[float]:
    weights = draw_weights(np.array(priorities), np.array(signal_weights), np.array(strata))
    return [float(weight) for weight in weights]


def test_weight_is_the_priority_to_the_power_of_six_tenths() -> None:
    assert weights_of([2.0], [1.0], [1]) == pytest.approx([(2.0 + FLOOR) ** ALPHA])


def test_unknown_surprise_counts_as_the_median_of_its_stratum() -> None:
    weights = weights_of([-1.0, 1.0, 3.0, 9.0, 7.0], [1.0] * 5, [1, 1, 1, 1, 2])
    assert weights[0] == pytest.approx((3.0 + FLOOR) ** ALPHA)


def test_unknown_surprise_in_an_unknown_stratum_counts_as_its_signal_weight() -> None:
    weights = weights_of([-1.0, -1.0, 5.0], [0.5, 1.0, 1.0], [1, 1, 2])
    assert weights[:2] == pytest.approx([(0.5 + FLOOR) ** ALPHA, (1.0 + FLOOR) ** ALPHA])


def test_a_lesson_learned_by_heart_can_still_be_drawn() -> None:
    assert weights_of([0.0], [1.0], [1])[0] > 0


def test_an_empty_buffer_has_no_weights() -> None:
    assert weights_of([], [], []) == []
    assert choose(np.array([]), 5, random.Random(0)) == []


def test_draw_is_without_replacement_and_reproducible() -> None:
    weights = np.arange(1.0, 101.0)
    first = choose(weights, 40, random.Random(7))
    assert len(set(first)) == 40
    assert first == choose(weights, 40, random.Random(7))
    assert first != choose(weights, 40, random.Random(8))


def test_more_than_there_are_gives_all() -> None:
    assert sorted(choose(np.ones(5), 50, random.Random(0))) == [0, 1, 2, 3, 4]


def test_ordered_pairs_come_with_the_probability_of_successive_sampling() -> None:
    # Oracle: P(i then j) = w_i/W * w_j/(W - w_i). Pearson's chi-square over the 12 ordered pairs of 4 items has
    # 11 degrees of freedom; its .999 quantile is 31.3. The seed is fixed, so this never flickers.
    weights = [1.0, 2.0, 3.0, 4.0]
    rng = random.Random(0)
    draws = 6000
    pairs = Counter(tuple(choose(np.array(weights), 2, rng)) for _ in range(draws))
    chi_square = 0.0
    for i, first in enumerate(weights):
        for j, second in enumerate(weights):
            if i != j:
                expected = draws * first / 10 * second / (10 - first)
                chi_square += (pairs[i, j] - expected) ** 2 / expected
    assert chi_square < 31.3


def test_those_whose_loss_rose_most_are_kept_in_draw_order() -> None:
    assert most_interfered([0.1, 0.9, None, 0.5], 2) == [1, 3]


def test_without_known_losses_the_first_drawn_are_kept() -> None:
    assert most_interfered([None] * 6, 3) == [0, 1, 2]


def test_an_unknown_rise_comes_before_a_fallen_loss() -> None:
    assert most_interfered([-0.5, None], 1) == [1]


def test_the_rarest_has_an_importance_weight_of_one() -> None:
    weights = importance_weights([0.4, 0.1])
    assert weights == pytest.approx([4.0**-BETA, 1.0])


def test_importance_weights_of_nothing_are_nothing() -> None:
    assert importance_weights([]) == []
