"""The oracle builds the dense updates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.support.lora import write_lora

from laimark_converters.adapter_reader import read_adapter_gguf
from laimark_converters.errors import ConversionError
from laimark_converters.update_distance import update_distances


@pytest.fixture
def pair(demo_gguf: Path, tmp_path: Path) -> tuple[Path, Path]:
    return (
        write_lora(demo_gguf, tmp_path / "a.gguf", seed=1, rank=4),
        write_lora(demo_gguf, tmp_path / "b.gguf", seed=2, rank=8, tensors=("attn_v", "ffn_up")),
    )


def test_norms_distances_and_angles_are_those_of_the_dense_updates(pair: tuple[Path, Path]) -> None:
    a, b = map(read_adapter_gguf, pair)
    found = update_distances(*pair)
    assert [one.tensor for one in found] == sorted({*a.pairs, *b.pairs})
    for one in found:
        zero = np.zeros_like((a if one.tensor in a.pairs else b).update(one.tensor))
        of_a, of_b = (x.update(one.tensor) if one.tensor in x.pairs else zero for x in (a, b))
        assert one.norm_a == pytest.approx(np.linalg.norm(of_a), rel=1e-6)
        assert one.norm_b == pytest.approx(np.linalg.norm(of_b), rel=1e-6)
        assert one.distance == pytest.approx(np.linalg.norm(of_a - of_b), rel=1e-6)
        norms = np.linalg.norm(of_a) * np.linalg.norm(of_b)
        assert one.cosine == pytest.approx(np.vdot(of_a, of_b) / norms if norms else 0.0, abs=1e-9)


def test_an_adapter_is_no_distance_from_itself(pair: tuple[Path, Path]) -> None:
    for one in update_distances(pair[0], pair[0]):
        assert one.distance <= 1e-6 * one.norm_a
        assert one.cosine == pytest.approx(1.0)


def test_the_base_has_updates_of_zero(pair: tuple[Path, Path]) -> None:
    assert all(one.norm_a == 0 and one.distance == one.norm_b > 0 for one in update_distances(None, pair[0]))
    assert update_distances(None, None) == ()


def test_adapters_of_other_shapes_are_refused_by_the_tensor_s_name(demo_gguf: Path, tmp_path: Path) -> None:
    right = write_lora(demo_gguf, tmp_path / "a.gguf")
    wrong = write_lora(demo_gguf, tmp_path / "b.gguf", wrong_shapes=True)
    with pytest.raises(ConversionError, match=r"other bases: blk\.\d+\.attn_q\.weight is"):
        update_distances(right, wrong)
