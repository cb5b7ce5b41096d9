from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from laimark_converters.low_rank import approximate


def decaying(out: int, into: int, seed: int = 0) -> NDArray[np.float32]:
    """A matrix whose singular values fall slowly, as those of a trained update do."""
    random = np.random.default_rng(seed)
    side = min(out, into)
    u, _ = np.linalg.qr(random.standard_normal((out, side)))
    v, _ = np.linalg.qr(random.standard_normal((into, side)))
    matrix: NDArray[np.float32] = ((u / np.sqrt(1 + np.arange(side))) @ v.T).astype(np.float32)
    return matrix


@given(out=st.integers(1, 20), into=st.integers(1, 20), rank=st.integers(1, 24), seed=st.integers(0, 1 << 31))
def test_error_of_a_small_matrix_is_the_least_possible(out: int, into: int, rank: int, seed: int) -> None:
    matrix = np.random.default_rng(seed).standard_normal((out, into)).astype(np.float32)
    found = approximate(matrix, rank)
    # Eckart-Young: no matrix of that rank is closer than the singular values left out.
    least = float((np.linalg.svd(matrix.astype(np.float64), compute_uv=False)[rank:] ** 2).sum())
    assert found.squared_error == pytest.approx(least, rel=1e-5, abs=1e-9 * out * into)
    assert found.squared_norm == pytest.approx(float((matrix.astype(np.float64) ** 2).sum()))
    assert (len(found.a), found.b.shape[1]) == (min(rank, out, into),) * 2


@pytest.mark.parametrize("shape", [(700, 900), (900, 700)])
def test_error_of_a_large_matrix_is_within_a_percent_of_the_least_possible(shape: tuple[int, int]) -> None:
    matrix = decaying(*shape)
    found = approximate(matrix, 16)
    least = float((np.linalg.svd(matrix.astype(np.float64), compute_uv=False)[16:] ** 2).sum())
    assert least * 0.9999 < found.squared_error < least * 1.02
    error = matrix.astype(np.float64) - found.b.astype(np.float64) @ found.a
    assert found.squared_error == pytest.approx(float((error**2).sum()))


def test_large_matrix_of_low_rank_is_found_whole() -> None:
    random = np.random.default_rng(0)
    matrix = (random.standard_normal((700, 8)) @ random.standard_normal((8, 600))).astype(np.float32)
    found = approximate(matrix, 8)
    assert found.squared_error < 1e-9 * found.squared_norm


def test_equal_input_gives_equal_output() -> None:
    one, two = (approximate(decaying(600, 700), 8) for _ in range(2))
    np.testing.assert_array_equal(one.a, two.a)
    np.testing.assert_array_equal(one.b, two.b)


def test_no_update_is_no_error() -> None:
    found = approximate(np.zeros((4, 6), np.float32), 2)
    assert found.squared_error == found.squared_norm == 0
    assert not found.a.any()
    assert not found.b.any()
