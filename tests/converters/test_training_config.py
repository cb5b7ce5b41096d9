from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from gguf.constants import GGMLQuantizationType
from hypothesis import given
from hypothesis import strategies as st

from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader, TensorInfo, read_header
from laimark_converters.training_config import training_config
from laimark_converters.training_families import FAMILIES


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
    last = keys["block_count"] - 1 if isinstance(keys["block_count"], int) else 0
    present = (tensor("token_embd.weight", 1000, 64), tensor(f"blk.{last}.attn_norm.weight", 64), *extra)
    tensors = {t.name: t for t in present}
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
        ("llama", [], {"attention__head_count": 100}, "heads of 0"),
        ("llama", [], {"attention__head_count": 10**6}, "heads of 0"),
        ("llama", [], {"rope__freq_base": -1.0}, "turns by -1"),
        ("llama", [], {"attention__layer_norm_rms_epsilon": float("nan")}, "not a finite number"),
        (
            "gemma3",
            [],
            {"attention__sliding_window": 9, "attention__sliding_window_pattern": (True,)},
            "1 of 12",
        ),
        ("llama", [tensor("token_embd.weight", 64)], {}, r"token_embd\.weight has the shape \[64\]"),
        ("llama", [], {"rope__dimension_count": 8}, "rotates 8 of 16"),
        ("phi3", [], {"rope__dimension_count": 7}, "rotates 7 of 16"),
        ("phi3", [], {"rope__dimension_count": 32}, "rotates 32 of 16"),
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


def test_more_layers_than_the_file_has_are_refused_at_once() -> None:
    many = header("gemma2")
    damaged = replace(many, keys={**many.keys, "gemma2.block_count": 2**40})
    with pytest.raises(ConversionError, match=rf"lacks layer {2**40 - 1}"):
        training_config(Path("x.gguf"), damaged)


def test_a_file_without_an_embedding_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"x\.gguf lacks token_embd\.weight"):
        training_config(Path("x.gguf"), replace(header("llama"), tensors={}))


def test_a_real_header_gives_the_configuration_that_its_model_had(
    demo_gguf: Path, demo_base_dir: Path
) -> None:
    original = json.loads((demo_base_dir / "config.json").read_text(encoding="utf-8"))
    found = training_config(demo_gguf, read_header(demo_gguf))
    shared = found.keys() & original.keys() - {"rope_parameters", "rms_norm_eps", "eos_token_id"}
    assert {key: found[key] for key in shared} == {key: original[key] for key in shared}
    assert found["rms_norm_eps"] == pytest.approx(original["rms_norm_eps"], rel=1e-6)


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**40),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(0, 3), max_size=13).map(tuple),
    st.lists(st.booleans(), max_size=13).map(tuple),
)
KEYS = [
    "block_count",
    "context_length",
    "feed_forward_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "attention.sliding_window_pattern",
    "rope.freq_base",
    "rope.freq_base_swa",
    "rope.dimension_count",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scale_linear",
    "rope.scaling.original_context_length",
    "rope.scaling.attn_factor",
    "expert_count",
    "final_logit_softcapping",
]


@given(
    architecture=st.sampled_from(sorted(FAMILIES)),
    changes=st.dictionaries(st.sampled_from(KEYS), JUNK, max_size=4),
    shape=st.just((1000, 64)) | st.lists(st.integers(0, 100), max_size=3).map(tuple),
    bos=JUNK,
)
def test_senseless_keys_are_refused_or_give_a_configuration_that_can_be_written(
    architecture: str, changes: dict[str, Any], shape: tuple[int, ...], bos: Any
) -> None:
    found = header(architecture, tensor("token_embd.weight", *shape), **changes)
    damaged = replace(found, keys={**found.keys, "tokenizer.ggml.bos_token_id": bos})
    try:
        config = training_config(Path("x.gguf"), damaged)
    except ConversionError:
        return
    assert json.loads(msgspec.json.encode(config))["rms_norm_eps"] is not None
    assert len(config.get("layer_types", ())) in (0, config["num_hidden_layers"])
