from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.validation.sameness import rouge_l, self_rouge

words = st.lists(st.sampled_from("abcd"), max_size=7)


def longest_common(one: list[str], other: list[str]) -> int:
    """Oracle: every subsequence of one, looked for in the other."""

    def within(wanted: tuple[str, ...]) -> bool:
        rest = iter(other)
        return all(word in rest for word in wanted)

    sizes = range(len(one), -1, -1)
    return next(size for size in sizes if any(map(within, itertools.combinations(one, size))))


@given(words, words)
def test_rouge_l_is_the_share_of_the_longest_common_subsequence(one: list[str], other: list[str]) -> None:
    found = rouge_l(" ".join(one), "\n".join(other))
    if one or other:
        assert found == pytest.approx(2 * longest_common(one, other) / (len(one) + len(other)))
    assert found == rouge_l(" ".join(other), " ".join(one))
    assert 0.0 <= found <= 1.0


def test_answers_that_are_all_the_same_are_one_and_empty_ones_too() -> None:
    assert self_rouge(["raise it at once"] * 4) == 1.0
    assert self_rouge(["", "", ""]) == 1.0
    assert self_rouge(["", "one"]) == 0.0


def test_the_mean_is_over_all_pairs() -> None:
    assert self_rouge(["a b", "a b", "c d"]) == pytest.approx(1 / 3)


def test_one_answer_is_like_nothing() -> None:
    assert self_rouge([]) is None
    assert self_rouge(["alone"]) is None
