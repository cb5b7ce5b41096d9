"""Marks and gains against values worked out by hand."""

from __future__ import annotations

import pytest
from tests.demo.courses import BASE_MARKS, BETTER, WORSE, task

from laimark_sidecar.demo.exam import Marks, gains, mark, similarity


def test_white_space_does_not_count_and_everything_else_does() -> None:
    tasks = [task("return a + b"), task("x = 1"), task("pass")]
    marks = mark(tasks, ["  return  a + b\n", "x = 2", ""])
    assert marks.exact == (1.0, 0.0, 0.0)
    # "x = 2": 4 of 5 characters match on both sides, 2*4/10; nothing of "pass" matches an empty answer.
    assert marks.similarity == pytest.approx((1.0, 0.8, 0.0))
    assert marks.exact_mean == pytest.approx(1 / 3)
    assert marks.similarity_mean == pytest.approx(0.6)


def test_similarity_is_twice_the_matches_over_all_characters() -> None:
    assert similarity("abcd", "bcde") == pytest.approx(2 * 3 / 8)
    assert similarity("", "") == 1.0


def test_long_lines_are_not_cut_short_by_difflibs_junk_heuristic() -> None:
    line = "x" * 300
    assert similarity(line, line[:-1] + "y") == pytest.approx(2 * 299 / 600)


def test_an_answer_for_every_task_is_needed() -> None:
    with pytest.raises(ValueError, match="zip"):
        mark([task("a")], [])


def test_gains_are_means_of_paired_differences() -> None:
    exact, similar = gains(BASE_MARKS, BETTER)
    assert exact.mean == pytest.approx((1 + 0 + 1 + 0) / 4)
    assert similar.mean == pytest.approx((0.8 + 0.4 + 0.4 + 0.0) / 4)
    assert similar.low <= similar.mean <= similar.high
    assert exact.n == 40
    assert exact.confidence == pytest.approx(0.95)


def test_a_loss_is_negative_and_no_change_is_zero() -> None:
    assert gains(BASE_MARKS, WORSE)[1].high < 0
    same = gains(BASE_MARKS, BASE_MARKS)
    assert (same[0].mean, same[1].mean) == (0.0, 0.0)


def test_a_lucky_answer_in_many_is_no_gain_beyond_chance() -> None:
    before = Marks(exact=(0.0,) * 50, similarity=(0.5,) * 50)
    after = Marks(exact=(1.0, *(0.0,) * 49), similarity=(0.6, *(0.5,) * 49))
    exact, similar = gains(before, after)
    assert exact.low <= 0 < exact.mean
    assert similar.low <= 0 < similar.mean
