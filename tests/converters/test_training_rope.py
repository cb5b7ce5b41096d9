from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.converters.test_gguf_keys import keys
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from laimark_converters.errors import ConversionError
from laimark_converters.rotary import llama3_factors
from laimark_converters.training_rope import keyed_rope, llama3_rope, longrope

HEAD_DIM, THETA = 128, 500000.0


def divisors(parameters: dict[str, Any]) -> torch.Tensor:
    """What transformers divides the plain frequencies by under these parameters."""
    config = LlamaConfig(head_dim=HEAD_DIM, max_position_embeddings=1 << 20, rope_parameters=parameters)
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    plain = 1.0 / (parameters["rope_theta"] ** (torch.arange(0, HEAD_DIM, 2).float() / HEAD_DIM))
    found: torch.Tensor = plain / scaled
    return found


@pytest.mark.parametrize("factor", [8.0, 32.0])
def test_published_llama3_parameters_come_back_as_published(factor: float) -> None:
    stored = llama3_factors(
        head_dim=HEAD_DIM, theta=THETA, factor=factor, low=1.0, high=4.0, original_context=8192
    )
    assert llama3_rope(stored, theta=THETA, head_dim=HEAD_DIM) == {
        "rope_type": "llama3",
        "rope_theta": THETA,
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }


@given(
    factor=st.floats(1.5, 64),
    low=st.floats(0.5, 2),
    wider=st.floats(2, 8),
    original=st.integers(512, 1 << 17),
)
def test_transformers_divides_by_the_stored_divisors_whatever_they_were_made_from(
    factor: float, low: float, wider: float, original: int
) -> None:
    stored = llama3_factors(
        head_dim=HEAD_DIM, theta=THETA, factor=factor, low=low, high=low * wider, original_context=original
    )
    found = divisors(llama3_rope(stored, theta=THETA, head_dim=HEAD_DIM))
    assert np.allclose(found.numpy(), stored, rtol=1e-4)


def test_divisors_of_one_are_no_scaling() -> None:
    assert llama3_rope(np.ones(64, np.float32), theta=THETA, head_dim=HEAD_DIM)["rope_type"] == "default"


@pytest.mark.parametrize(
    "stored", [np.linspace(1, 8, 64), np.full(64, 3.0), np.linspace(0.1, 1, 64), np.full(64, np.nan)]
)
def test_other_divisors_are_refused(stored: Any) -> None:
    with pytest.raises(ConversionError, match=r"rope_freqs\.weight holds divisors") as caught:
        llama3_rope(stored.astype(np.float32), theta=THETA, head_dim=HEAD_DIM)
    assert "base.hf" in caught.value.hint


def rope(**values: Any) -> dict[str, Any]:
    renamed = {name.replace("__", "."): value for name, value in values.items()}
    return keyed_rope(keys(**renamed), theta=1e4, context=4096)


def test_no_scaling_is_the_default_however_it_is_said() -> None:
    for said in (
        {},
        {"rope__scaling__type": "none", "rope__scaling__factor": 4.0},
        {"rope__scaling__factor": 1.0},
    ):
        assert rope(**said) == {"rope_type": "default", "rope_theta": 1e4}


def test_linear_scaling_is_read_under_its_old_name_too() -> None:
    assert rope(rope__scale_linear=4.0)["factor"] == 4.0
    assert rope(rope__scaling__factor=4.0)["rope_type"] == "linear"


def test_yarn_is_told_the_factor_that_ggml_computes_by_itself() -> None:
    found = rope(rope__scaling__type="yarn", rope__scaling__factor=4.0)
    assert found["original_max_position_embeddings"] == 4096
    assert found["attention_factor"] == pytest.approx(1.0 + 0.1 * np.log(4.0))


def test_other_kinds_are_refused() -> None:
    with pytest.raises(ConversionError, match="'longrope'"):
        rope(rope__scaling__type="longrope")
    with pytest.raises(ConversionError, match="yarn_log_multiplier"):
        rope(rope__scaling__type="yarn", rope__scaling__yarn_log_multiplier=0.1)


def test_longrope_keeps_the_stored_divisors() -> None:
    short, long = np.array([1.0, 1.5], np.float32), np.array([2.0, 8.0], np.float32)
    said = keys(**{"rope.scaling.original_context_length": 4096, "rope.scaling.attn_factor": 1.25})
    found = longrope(said, short, long, theta=1e4, context=131072, window=4096)
    assert (found["short_factor"], found["long_factor"]) == ([1.0, 1.5], [2.0, 8.0])
    assert (found["original_max_position_embeddings"], found["attention_factor"]) == (4096, 1.25)
    found = longrope(said, short, long, theta=1e4, context=131072, window=4097)
    assert found["short_factor"] == found["long_factor"] == [2.0, 8.0]
