"""The oracle decomposes dense matrices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support.lora import write_lora

from laimark_converters.adapter_reader import read_adapter_gguf
from laimark_converters.errors import ConversionError
from laimark_converters.update_health import LEADING, effective_rank, intruders, update_health


def spread(out: int, into: int, seed: int) -> NDArray[np.float32]:
    """A weight whose leading directions are well apart."""
    random = np.random.default_rng(seed)
    side = min(out, into)
    u, _ = np.linalg.qr(random.standard_normal((out, side)))
    v, _ = np.linalg.qr(random.standard_normal((into, side)))
    weight: NDArray[np.float32] = ((u * 0.9 ** np.arange(side)) @ v.T).astype(np.float32)
    return weight


def test_norms_and_effective_ranks_are_those_of_the_dense_updates(demo_gguf: Path, tmp_path: Path) -> None:
    path = write_lora(demo_gguf, tmp_path / "a.gguf", seed=1, rank=4)
    adapter = read_adapter_gguf(path)
    found = update_health(path)
    assert [one.tensor for one in found] == sorted(adapter.pairs)
    for one in found:
        dense = np.linalg.svd(adapter.update(one.tensor).astype(np.float64), compute_uv=False)
        assert one.norm == pytest.approx(np.linalg.norm(dense), rel=1e-5)
        assert one.effective_rank == pytest.approx(effective_rank(dense), rel=1e-4)
        assert (one.relative, one.intruders) == (None, None)


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=8))
def test_the_effective_rank_is_between_one_and_the_rank_and_blind_to_scale(values: list[float]) -> None:
    found = effective_rank(np.array(values))
    assert 1 - 1e-9 <= found <= len(values) + 1e-9
    assert effective_rank(7 * np.array(values)) == pytest.approx(found)


def test_equal_directions_all_count_and_nothing_counts_nothing() -> None:
    assert effective_rank(np.ones(5)) == pytest.approx(5)
    assert effective_rank(np.array([3.0, 0.0])) == pytest.approx(1)
    assert effective_rank(np.zeros(4)) == 0.0


def test_a_small_update_leaves_no_intruder_and_a_large_strange_one_each_of_its_directions() -> None:
    weight = spread(120, 90, seed=0)
    random = np.random.default_rng(1)
    strange = random.standard_normal((120, 3)) @ random.standard_normal((3, 90)) / 100
    assert intruders(weight, (weight + 1e-3 * strange).astype(np.float32)) == 0
    assert intruders(weight, (weight + 10 * strange).astype(np.float32)) == 3


def test_more_of_what_leads_already_is_no_intruder() -> None:
    weight = spread(80, 80, seed=2)
    assert intruders(weight, 3 * weight) == 0
    assert intruders(weight, weight) == 0
    assert LEADING < 80


def test_with_the_base_every_weight_is_compared_with_itself(demo_gguf: Path, tmp_path: Path) -> None:
    path = write_lora(demo_gguf, tmp_path / "a.gguf", seed=1, rank=4, tensors=("attn_v",))
    for one in update_health(path, demo_gguf):
        assert one.relative is not None
        assert one.relative > 0
        assert one.intruders is not None


def test_a_base_of_another_shape_is_refused_by_the_tensor_s_name(demo_gguf: Path, tmp_path: Path) -> None:
    wrong = write_lora(demo_gguf, tmp_path / "b.gguf", wrong_shapes=True)
    with pytest.raises(ConversionError, match=r"does not fit the base: blk\.\d+"):
        update_health(wrong, demo_gguf)
