from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.converters import synthetic
from tests.converters.synthetic import LLAMA

from laimark_converters.architectures import for_gguf
from laimark_converters.dora import dora_changes, dora_rows
from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader, read_header
from laimark_converters.peft_config import LoraConfig
from laimark_converters.safetensors_index import StoredTensor, read_index

CONFIG = LoraConfig(rank=synthetic.RANK, alpha=8.0, rank_pattern={}, alpha_pattern={})
Q = "base_model.model.model.layers.0.self_attn.q_proj"


def dora_tensors() -> dict[str, NDArray[np.float32]]:
    tensors = synthetic.stub_tensors(LLAMA)
    magnitudes = {
        key.replace(".lora_B.weight", ".lora_magnitude_vector"): np.full(len(b), 2.0, np.float32)
        for key, b in tensors.items()
        if ".lora_B." in key
    }
    return tensors | magnitudes


def stored(folder: Path, tensors: dict[str, NDArray[np.float32]]) -> dict[str, StoredTensor]:
    synthetic.write_adapter(folder / "adapter", tensors)
    return read_index(folder / "adapter" / "adapter_model.safetensors")


@pytest.fixture
def base(tmp_path: Path) -> GgufHeader:
    return read_header(synthetic.write_header_only(LLAMA, tmp_path / "base.gguf"))


@given(seed=st.integers(0, 1 << 31), rows=st.integers(1, 5), into=st.integers(1, 40))
def test_rows_have_the_magnitudes_length_and_the_loras_direction(seed: int, rows: int, into: int) -> None:
    random = np.random.default_rng(seed)
    base, lora = random.standard_normal((rows, into)).astype(np.float32), random.standard_normal((rows, into))
    magnitude = random.standard_normal(rows)
    merged = dora_rows(base, lora, magnitude)
    np.testing.assert_allclose(np.linalg.norm(merged, axis=1), np.abs(magnitude), rtol=1e-9)
    cosine = np.einsum("ri,ri->r", merged, base + lora) / np.linalg.norm(base + lora, axis=1)
    np.testing.assert_allclose(cosine, magnitude, rtol=1e-9)


def test_row_without_a_direction_is_refused() -> None:
    with pytest.raises(ConversionError, match="no direction"):
        dora_rows(np.zeros((1, 4), np.float32), np.zeros((1, 4)), np.ones(1))


@pytest.mark.parametrize("suffix", ["", ".weight"])
def test_both_names_of_a_magnitude_are_known(base: GgufHeader, tmp_path: Path, suffix: str) -> None:
    tensors = {
        key + suffix if key.endswith("vector") else key: values for key, values in dora_tensors().items()
    }
    changes = dora_changes(stored(tmp_path, tensors), CONFIG, for_gguf("llama"), base)
    assert len(changes) == synthetic.LAYERS * len(LLAMA.names)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {f"{Q}.lora_magnitude_vector": None},
            "no lora_magnitude_vector for model.layers.0.self_attn.q_proj",
        ),
        ({f"{Q}.lora_magnitude_vector": np.ones(3, np.float32)}, r"has the shape \[3\], .* has 32 rows"),
        ({f"{Q}.lora_A.weight": None, f"{Q}.lora_B.weight": None}, "a magnitude for .*q_proj but no LoRA"),
        ({f"{Q}.lora_B.bias": np.ones(3, np.float32)}, "trained biases"),
    ],
)
def test_incomplete_dora_is_refused(
    base: GgufHeader, tmp_path: Path, change: dict[str, NDArray[np.float32] | None], reason: str
) -> None:
    tensors = {key: values for key, values in (dora_tensors() | change).items() if values is not None}
    with pytest.raises(ConversionError, match=reason):
        dora_changes(stored(tmp_path, tensors), CONFIG, for_gguf("llama"), base)


def test_values_that_are_not_finite_are_refused(base: GgufHeader, tmp_path: Path) -> None:
    tensors = dora_tensors()
    tensors[f"{Q}.lora_magnitude_vector"][1] = np.nan
    changes = dora_changes(stored(tmp_path, tensors), CONFIG, for_gguf("llama"), base)
    with pytest.raises(ConversionError, match="magnitude_vector holds NaN"):
        changes["blk.0.attn_q.weight"]()
