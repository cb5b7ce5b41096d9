from __future__ import annotations

import math

import numpy as np
import pytest

from laimark_converters.adapter_reader import LoraPair
from laimark_converters.merged_rows import Residual, ResidualSum, lora_update


def test_update_of_a_block_is_that_of_the_whole() -> None:
    random = np.random.default_rng(0)
    pair = LoraPair(
        a=random.standard_normal((4, 32)).astype(np.float32),
        b=random.standard_normal((9, 4)).astype(np.float32),
    )
    whole, base = pair.b.astype(np.float64) @ pair.a.astype(np.float64), np.zeros((3, 32), np.float32)
    update = lora_update(pair)
    blocks = [update(slice(start, start + 3), base) for start in (0, 3, 6)]
    np.testing.assert_allclose(np.concatenate(blocks), whole, rtol=1e-12)


def test_residual_is_the_same_however_the_rows_are_cut() -> None:
    random = np.random.default_rng(1)
    exact, update = random.standard_normal((2, 6, 8))
    stored = (exact + 0.01 * random.standard_normal((6, 8))).astype(np.float32)
    whole, cut = ResidualSum(), ResidualSum()
    whole.add(exact, stored, update)
    for row in range(6):
        cut.add(exact[row : row + 1], stored[row : row + 1], update[row : row + 1])
    error = np.abs(stored - exact)
    expected = (
        error.max() / np.abs(exact).max(),
        error.mean() / np.abs(exact).mean(),
        math.sqrt((error**2).mean() / (update**2).mean()),
    )
    for found in (whole.result(), cut.result()):
        assert (found.max_relative, found.mean_relative, found.of_update) == pytest.approx(expected)


def test_residual_of_several_tensors_is_that_of_all_their_values_together() -> None:
    random = np.random.default_rng(2)
    one, two = ResidualSum(), ResidualSum()
    errors, updates = [], []
    for residual, shape in ((one, (6, 8)), (two, (3, 32))):
        exact, update = random.standard_normal((2, *shape))
        stored = (exact + 0.01 * random.standard_normal(shape)).astype(np.float32)
        residual.add(exact, stored, update)
        errors.append((stored - exact).ravel())
        updates.append(update.ravel())
    expected = math.sqrt((np.concatenate(errors) ** 2).mean() / (np.concatenate(updates) ** 2).mean())
    assert ResidualSum.of_update([one, two]) == pytest.approx(expected)
    assert ResidualSum.of_update([one]) == one.result().of_update
    assert ResidualSum.of_update([]) == 0


def test_exact_copy_has_no_residual_and_an_error_on_no_update_is_infinite() -> None:
    zero, one = np.zeros((1, 2)), np.ones((1, 2))
    nothing, changed = ResidualSum(), ResidualSum()
    nothing.add(zero, zero.astype(np.float32), zero)
    changed.add(one, (2 * one).astype(np.float32), zero)
    assert nothing.result() == Residual(max_relative=0.0, mean_relative=0.0, of_update=0.0)
    assert changed.result() == Residual(max_relative=1.0, mean_relative=1.0, of_update=math.inf)
