from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from laimark_converters.rotary import llama3_factors, permute_rows, unpermute_rows


def test_halves_become_neighbouring_pairs_within_each_head() -> None:
    rows = np.arange(8)
    assert permute_rows(rows, 2).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


@given(heads=st.integers(1, 5), half=st.integers(1, 6), columns=st.integers(1, 3))
def test_permutation_can_be_undone(heads: int, half: int, columns: int) -> None:
    rows = np.arange(heads * half * 2 * columns).reshape(-1, columns)
    np.testing.assert_array_equal(unpermute_rows(permute_rows(rows, heads), heads), rows)


def test_llama3_factors_are_those_that_transformers_scales_by() -> None:
    scaling = {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    config = LlamaConfig(hidden_size=256, num_attention_heads=2, head_dim=128, rope_parameters=scaling)
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    plain = 1.0 / 500000.0 ** (torch.arange(0, 128, 2).float() / 128)
    factors = llama3_factors(
        head_dim=128, theta=500000.0, factor=8.0, low=1.0, high=4.0, original_context=8192
    )
    np.testing.assert_allclose(factors, (plain / scaled).numpy(), rtol=1e-5)
    assert set(np.round(factors[[0, -1]], 4)) == {1.0, 8.0}
