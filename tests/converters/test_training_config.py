from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gguf.constants import GGMLQuantizationType

from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader, TensorInfo, read_header
from laimark_converters.training_config import training_config


def tensor(name: str, *shape: int) -> TensorInfo:
    return TensorInfo(name=name, shape=shape, kind=GGMLQuantizationType.F32, offset=0, size_bytes=0)


def header(architecture: str, *extra: TensorInfo, **changes: Any) -> GgufHeader:
    keys: dict[str, Any] = {
        "block_count": 12,
        "context_length": 8192,
        "feed_forward_length": 96,
        "attention.head_count": 4,
        "attention.layer_norm_rms_epsilon": 1e-5,
    }
    keys |= {name.replace("__", "."): value for name, value in changes.items()}
    known = {f"{architecture}.{name}": value for name, value in keys.items() if value is not None}
    tensors = {t.name: t for t in (tensor("token_embd.weight", 1000, 64), *extra)}
    known |= {"general.architecture": architecture, "tokenizer.ggml.bos_token_id": 1}
    return GgufHeader(
        file_name="x.gguf",
        version=3,
        keys=known,
        tensors=tensors,
        key_count=len(known),
        keys_start=24,
        keys_end=24,
        alignment=32,
    )


def config(architecture: str, *extra: TensorInfo, **changes: Any) -> dict[str, Any]:
    return training_config(Path("x.gguf"), header(architecture, *extra, **changes))


def test_sizes_come_from_keys_and_from_the_embedding() -> None:
    found = config("llama")
    assert (found["vocab_size"], found["hidden_size"], found["head_dim"]) == (1000, 64, 16)
    assert found["num_key_value_heads"] == found["num_attention_heads"] == 4
    assert (found["bos_token_id"], found["eos_token_id"]) == (1, None)
    assert found["architectures"] == ["LlamaForCausalLM"]


def test_embeddings_are_tied_when_there_is_no_output_of_their_own() -> None:
    assert config("llama")["tie_word_embeddings"] is True
    assert config("llama", tensor("output.weight", 1000, 64))["tie_word_embeddings"] is False


def test_biases_are_those_that_the_file_has() -> None:
    assert config("llama")["attention_bias"] is config("llama")["mlp_bias"] is False
    found = config("llama", tensor("blk.0.attn_q.bias", 64))
    assert (found["attention_bias"], found["mlp_bias"]) == (True, False)


@pytest.mark.parametrize(
    ("architecture", "layers", "scalar"), [("gemma2", 26, 24), ("gemma2", 46, 16), ("gemma3", 62, 16)]
)
def test_gemmas_attention_scale_is_the_heads_size_save_for_27b(
    architecture: str, layers: int, scalar: int
) -> None:
    heads = {"attention__key_length": 24, "attention__value_length": 24}
    assert config(architecture, block_count=layers, **heads)["query_pre_attn_scalar"] == scalar


def test_gemma2_slides_on_every_other_layer_and_caps_its_logits() -> None:
    found = config("gemma2", attention__sliding_window=100, final_logit_softcapping=20.0)
    assert found["layer_types"] == ["sliding_attention", "full_attention"] * 6
    assert (found["sliding_window"], found["attn_logit_softcapping"]) == (100, 50.0)
    assert found["final_logit_softcapping"] == 20.0


def test_gemma3_slides_on_five_layers_of_six_and_scales_only_the_sixth() -> None:
    scaling = {"rope__freq_base": 1e6, "rope__scaling__type": "linear", "rope__scaling__factor": 8.0}
    found = config("gemma3", attention__sliding_window=100, **scaling)
    assert found["layer_types"] == [*["sliding_attention"] * 5, "full_attention"] * 2
    assert found["rope_parameters"] == {
        "full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
    }


def test_layers_that_a_key_names_slide_and_no_others() -> None:
    flags = (True, False, False) * 4
    found = config("gemma3", attention__sliding_window=9, attention__sliding_window_pattern=flags)
    assert [kind == "sliding_attention" for kind in found["layer_types"]] == list(flags)
    found = config("gemma3", attention__sliding_window=9, attention__sliding_window_pattern=3)
    assert [kind == "sliding_attention" for kind in found["layer_types"]] == [True, True, False] * 4
    assert set(config("gemma3")["layer_types"]) == {"full_attention"}


def test_phi3_has_no_window_as_llama_cpp_has_none() -> None:
    found = config("phi3", attention__sliding_window=2047, rope__dimension_count=12)
    assert found["sliding_window"] is None
    assert found["rope_parameters"]["partial_rotary_factor"] == 0.75


@pytest.mark.parametrize(
    ("architecture", "extra", "changes", "message"),
    [
        ("llama", [], {"expert_count": 8}, "experts"),
        ("llama", [], {"rope__dimension_count": 8}, "rotates 8 of 16"),
        ("llama", [], {"attention__key_length": 32}, "different sizes"),
        ("llama", [], {"block_count": None}, r"llama\.block_count"),
        ("llama", [], {"feed_forward_length": (96,) * 11 + (64,)}, "differs between layers"),
        ("llama", [tensor("rope_freqs.weight", 4)], {}, "another size"),
        ("llama", [tensor("rope_freqs.weight", 8)], {"rope__scaling__factor": 2.0}, "twice"),
        ("qwen2", [tensor("rope_freqs.weight", 8)], {}, "which qwen2 is not known to use"),
        ("phi3", [tensor("rope_factors_long.weight", 8)], {}, "which phi3 is not known to use"),
        ("mamba", [], {}, "'mamba'"),
    ],
)
def test_what_would_be_lost_is_refused_by_name(
    architecture: str, extra: list[TensorInfo], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConversionError, match=message):
        config(architecture, *extra, **changes)


def test_a_file_without_an_embedding_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"x\.gguf lacks token_embd\.weight"):
        training_config(Path("x.gguf"), replace(header("llama"), tensors={}))


def test_a_real_header_gives_the_configuration_that_its_model_had(
    demo_gguf: Path, demo_base_dir: Path
) -> None:
    import json

    original = json.loads((demo_base_dir / "config.json").read_text(encoding="utf-8"))
    found = training_config(demo_gguf, read_header(demo_gguf))
    shared = found.keys() & original.keys() - {"rope_parameters", "rms_norm_eps", "eos_token_id"}
    assert {key: found[key] for key in shared} == {key: original[key] for key in shared}
    assert found["rms_norm_eps"] == pytest.approx(original["rms_norm_eps"], rel=1e-6)
