from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.converters import synthetic
from tests.converters.synthetic import FUSED, GEMMA3, LLAMA, Stub

from laimark_converters.adapter_pairs import Pair, pair_up
from laimark_converters.architectures import for_gguf
from laimark_converters.errors import ConversionError
from laimark_converters.header import read_header
from laimark_converters.peft_config import LoraConfig
from laimark_converters.safetensors_index import read_index

CONFIG = LoraConfig(rank=synthetic.RANK, alpha=8.0, rank_pattern={}, alpha_pattern={})
ROOT = "base_model.model."
Q = f"{ROOT}model.layers.0.self_attn.q_proj"
ONE = np.ones((4, 32), np.float32)


def pairs_of(
    folder: Path, stub: Stub, tensors: dict[str, np.ndarray], base: Stub | None = None
) -> list[Pair]:
    adapter = synthetic.write_adapter(folder / "adapter", tensors)
    header = read_header(synthetic.write_header_only(base or stub, folder / "base.gguf"))
    return pair_up(read_index(adapter / "adapter_model.safetensors"), CONFIG, for_gguf(stub.gguf), header)


def test_only_q_and_k_are_permuted_each_by_its_own_heads(tmp_path: Path) -> None:
    pairs = pairs_of(tmp_path, LLAMA, synthetic.stub_tensors(LLAMA))
    heads = {pair.name: pair.permuted_heads for pair in pairs if pair.permuted_heads}
    assert heads == {
        "blk.0.attn_q.weight": synthetic.HEADS,
        "blk.1.attn_q.weight": synthetic.HEADS,
        "blk.0.attn_k.weight": synthetic.KV_HEADS,
        "blk.1.attn_k.weight": synthetic.KV_HEADS,
    }


def test_architectures_with_halves_of_their_own_are_not_permuted(tmp_path: Path) -> None:
    pairs = pairs_of(tmp_path, GEMMA3, synthetic.stub_tensors(GEMMA3))
    assert {pair.permuted_heads for pair in pairs} == {0}


def test_path_of_a_multimodal_model_is_understood(tmp_path: Path) -> None:
    tensors = synthetic.stub_tensors(GEMMA3)
    moved = {name.replace("model.layers", "model.language_model.layers"): t for name, t in tensors.items()}
    pairs = pairs_of(tmp_path, GEMMA3, moved)
    assert pairs[0].module.startswith("model.language_model.layers.0.")
    assert pairs[0].name.startswith("blk.0.")


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (f"{ROOT}model.embed_tokens.lora_embedding_A", "aborts llama.cpp"),
        (f"{ROOT}model.embed_tokens.lora_A.weight", "aborts llama.cpp"),
        (f"{ROOT}lm_head.lora_A.weight", "crashes llama.cpp"),
        (f"{ROOT}lm_head.weight", "crashes llama.cpp"),
        (f"{Q}.lora_magnitude_vector", "DoRA"),
        (f"{Q}.base_layer.weight", "base weights"),
        (f"{Q}.lora_B.bias", "trained biases"),
        (f"{ROOT}model.layers.0.mlp.experts.3.up_proj.lora_A.weight", "experts"),
        (f"{ROOT}model.layers.0.mlp.gate.modules_to_save.weight", "whole trained modules"),
        (f"{ROOT}model.layers.0.mlp.up_proj.ia3_l", "IA3 is not LoRA"),
        (f"{ROOT}model.layers.0.self_attn.qkv_proj.lora_A.weight", "only"),
        (f"{ROOT}model.layers.x.self_attn.q_proj.lora_A.weight", "only"),
        ("q_proj.lora_A.weight", "only"),
        ("\u202etensor", "only"),
    ],
)
def test_tensor_without_a_place_is_refused_with_its_reason(tmp_path: Path, key: str, reason: str) -> None:
    with pytest.raises(ConversionError, match=reason) as caught:
        pairs_of(tmp_path, LLAMA, synthetic.stub_tensors(LLAMA) | {key: ONE})
    assert key in str(caught.value)


@pytest.mark.parametrize(("half", "missing"), [("A", "B"), ("B", "A")])
def test_half_without_its_other_half_is_refused(tmp_path: Path, half: str, missing: str) -> None:
    tensors = synthetic.stub_tensors(LLAMA)
    del tensors[f"{Q}.lora_{missing}.weight"]
    with pytest.raises(ConversionError, match=rf"no lora_{missing} for model\.layers\.0\.self_attn\.q_proj"):
        pairs_of(tmp_path, LLAMA, tensors)


def test_rank_that_the_configuration_does_not_know_is_refused(tmp_path: Path) -> None:
    tensors = synthetic.stub_tensors(LLAMA, {"model.layers.0.self_attn.q_proj": 3})
    with pytest.raises(ConversionError, match=r"q_proj has the rank 3, adapter_config\.json says 4"):
        pairs_of(tmp_path, LLAMA, tensors)


def test_halves_that_do_not_multiply_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="do not multiply"):
        pairs_of(
            tmp_path,
            LLAMA,
            synthetic.stub_tensors(LLAMA) | {f"{Q}.lora_B.weight": np.ones((32, 5), np.float32)},
        )


def test_layer_that_the_base_does_not_have_is_refused(tmp_path: Path) -> None:
    tensors = synthetic.stub_tensors(LLAMA)
    moved = {name.replace("layers.1.", "layers.9."): tensor for name, tensor in tensors.items()}
    with pytest.raises(ConversionError, match=r"has no tensor blk\.9\.attn_k\.weight|blk\.9\."):
        pairs_of(tmp_path, LLAMA, moved)


def test_base_with_fused_projections_is_refused_with_the_reason(tmp_path: Path) -> None:
    fused = Stub(
        gguf="llama", hf_class="", model_type="", names=FUSED.names, shapes=FUSED.shapes
    )  # fmt: skip
    tensors = {name: t for name, t in synthetic.stub_tensors(LLAMA).items() if "q_proj" in name}
    with pytest.raises(
        ConversionError, match=r"no tensor blk\.0\.attn_q\.weight; it holds blk\.0\.attn_qkv\.weight"
    ):
        pairs_of(tmp_path, LLAMA, tensors, base=fused)


def test_projection_of_another_size_is_refused(tmp_path: Path) -> None:
    adapter = synthetic.write_stub_adapter(LLAMA, tmp_path / "adapter")
    header = read_header(synthetic.write_header_only(LLAMA, tmp_path / "base.gguf", rows=128))
    stored = read_index(adapter / "adapter_model.safetensors")
    with pytest.raises(ConversionError, match=r"is for a projection of \[\d+, \d+\].*is \[128, ") as caught:
        pair_up(stored, CONFIG, for_gguf("llama"), header)
    assert "another base" in caught.value.hint


def test_two_paths_to_one_tensor_are_refused(tmp_path: Path) -> None:
    tensors = synthetic.stub_tensors(LLAMA)
    twice = {name.replace("model.layers", "model.language_model.layers"): t for name, t in tensors.items()}
    with pytest.raises(ConversionError, match="two LoRAs for one tensor"):
        pairs_of(tmp_path, LLAMA, tensors | twice)


def test_adapter_without_tensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="holds no tensors"):
        pairs_of(tmp_path, LLAMA, {})
