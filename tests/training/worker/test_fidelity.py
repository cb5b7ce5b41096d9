from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.converters import served_models, tiny_models

from laimark_converters.training_base import write_training_base
from laimark_sidecar.training.worker import fidelity
from laimark_sidecar.training.worker.backend import load_base
from laimark_sidecar.training.worker.fidelity import activation_block, compare, measure, rounded, widen

IDS = [5, 77, 1000, 4000, 300, 12, 9, 2048]


@pytest.mark.parametrize("kind", [None, *served_models.QUANTISED])
def test_a_trained_model_lies_within_its_own_noise_in_every_type(
    demo_gguf: Path, tmp_path: Path, kind: str | None
) -> None:
    gguf = demo_gguf if kind is None else served_models.quantise(demo_gguf, tmp_path / "base.gguf", kind)
    write_training_base(gguf, tmp_path / "training")
    found = measure(tmp_path / "training", gguf, context=512, threads=1)
    assert found.flaw() == ""
    if kind is None:
        assert (found.kl < 1e-5, found.noise_kl) == (True, 0.0)
    else:
        # Measured .95 to 1.22 over every family and type.
        assert 0.7 < found.kl / found.noise_kl < 1.5


def test_a_model_that_computes_something_else_in_a_wide_window_is_made_for_it(
    demo_base_dir: Path, tmp_path: Path
) -> None:
    # Beyond the original context llama.cpp takes phi3's long factors for every token, transformers for long texts only.
    hf = served_models.build_hf("phi3-longrope", demo_base_dir, tmp_path / "hf")
    config = json.loads((hf / "config.json").read_text())
    config["original_max_position_embeddings"] = 1024
    config["rope_parameters"]["original_max_position_embeddings"] = 1024
    config["max_position_embeddings"] = 4096
    (hf / "config.json").write_text(json.dumps(config))
    gguf = served_models.serve(hf, tmp_path / "base.gguf")
    write_training_base(gguf, tmp_path / "training")
    assert measure(tmp_path / "training", gguf, context=1024, threads=1).flaw() == ""
    assert measure(tmp_path / "training", gguf, context=2048, threads=1).flaw()
    write_training_base(gguf, tmp_path / "wide", window=2048)
    assert measure(tmp_path / "wide", gguf, context=2048, threads=1).flaw() == ""


PLAIN = {"rope_type": "default", "rope_theta": 500.0}


def _lose_scaling(config: dict[str, Any]) -> None:
    config["rope_parameters"] = PLAIN | {"rope_theta": config["rope_parameters"]["rope_theta"]}


def _lose_attention_factor(config: dict[str, Any]) -> None:
    config["rope_parameters"]["attention_factor"] = 1.0


def _lose_global_factor(config: dict[str, Any]) -> None:
    config["rope_parameters"]["full_attention"] = PLAIN | {"rope_theta": 1e6}


def _lose_local_base(config: dict[str, Any]) -> None:
    config["rope_parameters"]["sliding_attention"] = PLAIN | {"rope_theta": 1e6}


@pytest.mark.parametrize(
    ("family", "lose"),
    [
        pytest.param("llama3", _lose_scaling, id="llama3-scaling"),
        pytest.param("yarn", _lose_scaling, id="yarn-scaling"),
        pytest.param("yarn", _lose_attention_factor, id="yarn-attention-factor"),
        pytest.param("linear", _lose_scaling, id="linear-scaling"),
        pytest.param("phi3-longrope", _lose_attention_factor, id="phi3-attention-factor"),
        pytest.param("gemma2", lambda c: c.update(query_pre_attn_scalar=256), id="gemma2-scale"),
        pytest.param("gemma2", lambda c: c.update(sliding_window=4096), id="gemma2-window"),
        pytest.param("gemma2", lambda c: c.update(final_logit_softcapping=None), id="gemma2-cap"),
        pytest.param("gemma3", lambda c: c.update(query_pre_attn_scalar=256), id="gemma3-scale"),
        pytest.param("gemma3", lambda c: c.update(sliding_window=4096), id="gemma3-window"),
        pytest.param("gemma3", _lose_global_factor, id="gemma3-global-factor"),
        pytest.param("gemma3", _lose_local_base, id="gemma3-local-base"),
    ],
)
def test_what_transformers_own_reader_loses_is_found_out_under_four_bit_noise(
    demo_base_dir: Path, tmp_path: Path, family: str, lose: Callable[[dict[str, Any]], None]
) -> None:
    hf = served_models.build_hf(family, demo_base_dir, tmp_path / "hf")
    plain = served_models.serve(hf, tmp_path / "plain.gguf")
    gguf = served_models.quantise(plain, tmp_path / "base.gguf", "q4_k_m")
    write_training_base(gguf, tmp_path / "training")
    assert measure(tmp_path / "training", gguf, context=512, threads=1).flaw() == ""
    file = tmp_path / "training" / "config.json"
    config = json.loads(file.read_text())
    lose(config)
    file.write_text(json.dumps(config))
    found = measure(tmp_path / "training", gguf, context=512, threads=1)
    # Measured 13 to 2000 times the noise.
    assert found.flaw()


def test_half_precision_weights_compute_as_full_ones_when_widened(
    demo_base_dir: Path, demo_gguf: Path, tmp_path: Path
) -> None:
    write_training_base(demo_gguf, tmp_path / "training")
    model = load_base(tmp_path / "training", torch.float16).eval()
    widen(model, lambda x: x)
    found = fidelity._logits(model, IDS)
    expected = tiny_models.torch_logits(tmp_path / "training", IDS)
    assert found.dtype == torch.float32
    assert float((found - expected).abs().max()) < 0.02


def test_comparison_is_the_mean_divergence_and_the_largest_difference() -> None:
    p, q = torch.tensor([[0.0, 0.0]] * 3), torch.tensor([[math.log(3.0), 0.0]] * 3)
    kl, difference = compare(p, q)
    assert kl == pytest.approx(0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25))
    assert difference == pytest.approx(math.log(3.0))
    assert compare(p, p) == (0.0, 0.0)


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=64, max_size=64))
def test_rounding_moves_a_value_by_at_most_half_a_step_of_its_block(values: list[float]) -> None:
    x = torch.tensor(values)
    for block, blocks in ((32, x.reshape(2, 32)), (64, x.reshape(1, 64))):
        step = (blocks.abs().amax(-1, keepdim=True) / 127).expand_as(blocks).reshape(64)
        moved = (rounded(x, block=block) - x).abs()
        assert bool((moved <= 0.5001 * step + 1e-30).all())


def test_rows_that_wide_blocks_do_not_divide_are_rounded_in_narrow_ones() -> None:
    x = torch.randn(3, 96)
    assert torch.equal(rounded(x, block=256), rounded(x, block=32))


def test_blocks_are_those_that_ggml_rounds_activations_in() -> None:
    assert activation_block(["F16", "F32"]) == activation_block([]) == 0
    assert activation_block(["F32", "Q8_0"]) == 32
    assert activation_block(["F32", "Q4_K", "Q5_0"]) == activation_block(["IQ3_S"]) == 256
