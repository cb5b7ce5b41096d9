"""The oracle of the promise is Ville's inequality, tried by simulation with fixed seeds."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.validation.e_process import LIMIT, RATES, e_value


def ever_shown(margins: list[float]) -> bool:
    """Whether it is shown after any of the cycles, which bring ten fresh lessons each."""
    cycles = [margins[start : start + 10] for start in range(0, len(margins), 10)]
    return any(e_value(cycles[:end]) >= LIMIT for end in range(1, len(cycles) + 1))


def stream(rng: random.Random, mean: float, *, count: int) -> list[float]:
    return [rng.gauss(mean, 0.4) for _ in range(count)]


def test_no_lesson_is_no_evidence() -> None:
    assert e_value([]) == pytest.approx(1.0)


@given(st.lists(st.lists(st.floats(-3, 3), max_size=9), max_size=5))
def test_it_is_the_sum_of_games_that_begin_with_each_cycle(cycles: list[list[float]]) -> None:
    expected, left = 0.0, 1.0
    for begun in range(len(cycles)):
        margins = [margin for cycle in cycles[begun:] for margin in cycle]
        wealth = [math.prod(1 - rate * max(-1.0, min(1.0, margin)) for margin in margins) for rate in RATES]
        share = 6 / (math.pi * (begun + 1)) ** 2
        expected += share * sum(wealth) / len(wealth)
        left -= share
    assert e_value(cycles) == pytest.approx(expected + left)


def test_a_harmless_version_is_stepped_back_from_in_at_most_one_of_twenty_lives() -> None:
    rng = random.Random(0)
    lives = 200
    shown = sum(ever_shown(stream(rng, 0.0, count=600)) for _ in range(lives))
    assert shown / lives <= 1 / LIMIT


def test_a_small_hidden_loss_is_found_in_time() -> None:
    rng = random.Random(1)
    assert sum(ever_shown(stream(rng, -0.12, count=600)) for _ in range(30)) >= 27


def test_a_long_good_past_does_not_hide_what_goes_wrong_now() -> None:
    rng = random.Random(3)
    past = stream(rng, 0.3, count=2000)
    assert not ever_shown(past)
    assert sum(ever_shown(past + stream(rng, -0.3, count=300)) for _ in range(5)) == 5


def test_a_version_that_helps_is_never_suspected() -> None:
    rng = random.Random(2)
    assert not any(ever_shown(stream(rng, 0.2, count=600)) for _ in range(30))


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_counts_as_the_worst(broken: float) -> None:
    assert e_value([[broken] * 20]) == e_value([[-1.0] * 20]) > LIMIT


def test_ten_thousand_lessons_overflow_nothing() -> None:
    assert e_value([[-1.0] * 10_000]) > LIMIT
    assert e_value([[1.0] * 10_000]) < 1.0
