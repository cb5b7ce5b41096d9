from __future__ import annotations

import math

import numpy as np
import pytest

from laimark_sidecar.llamacpp.logits import entropy, kl, log_softmax, top


def test_log_softmax_sums_to_one_even_for_huge_logits() -> None:
    logits = np.array([[1e4, -1e4, 0.0], [1.0, 2.0, 3.0]], dtype=np.float32)
    assert np.exp(log_softmax(logits)).sum(axis=-1) == pytest.approx([1, 1])
    assert log_softmax(logits)[1] == pytest.approx(
        [x - math.log(sum(math.exp(y) for y in (1, 2, 3))) for x in (1, 2, 3)]
    )


def test_top_is_ordered_and_breaks_ties_by_id() -> None:
    logprobs = np.log(np.array([0.1, 0.3, 0.1, 0.3, 0.2]))
    assert top(logprobs, 3) == [1, 3, 4]
    assert top(logprobs, 99) == [1, 3, 4, 0, 2]
    assert top(logprobs, 0) == []


def test_entropy_of_a_uniform_distribution_is_log_n() -> None:
    assert entropy(np.log(np.full((2, 8), 1 / 8))) == pytest.approx([math.log(8)] * 2)


def test_kl_is_zero_for_equals_and_the_formula_otherwise() -> None:
    p, q = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    assert kl(np.log(p), np.log(p)) == pytest.approx([0])
    assert kl(np.log(p), np.log(q)) == pytest.approx([0.5 * math.log(2) + 0.5 * math.log(0.5 / 0.75)])
