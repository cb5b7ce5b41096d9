from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from laimark_converters.errors import ConversionError
from laimark_converters.hf_config import read_shape

PLAIN: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 100,
}


def write(folder: Path, **changes: Any) -> Path:
    (folder / "config.json").write_text(json.dumps(PLAIN | changes), encoding="utf-8")
    return folder


def test_sizes_left_out_follow_from_the_others(tmp_path: Path) -> None:
    shape = read_shape(write(tmp_path))
    assert (shape.kv_heads, shape.head_dim, shape.rope_theta, shape.tied) == (4, 16, 10000.0, False)


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5e5}},
        {"rope_scaling": {"rope_type": "linear", "factor": 2.0}, "rope_theta": 5e5},
        {"rope_scaling": {"type": "linear", "factor": 2.0}, "rope_theta": 5e5},
    ],
)
def test_rope_is_read_from_new_and_old_configurations_alike(tmp_path: Path, rope: dict[str, Any]) -> None:
    shape = read_shape(write(tmp_path, **rope))
    assert (shape.rope.kind, shape.rope.factor, shape.rope_theta) == ("linear", 2.0, 5e5)


def test_first_of_several_end_tokens_is_taken(tmp_path: Path) -> None:
    assert read_shape(write(tmp_path, eos_token_id=[7, 8])).eos == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["FalconForCausalLM"]}, "'FalconForCausalLM'"),
        ({"architectures": []}, "names no architecture"),
        ({"rope_parameters": {"rope_type": "longrope"}}, "rope type 'longrope'"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope type 'dynamic'"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ({"attention_bias": True}, "attention_bias"),
        ({"mlp_bias": True}, "mlp_bias"),
        ({"sliding_window": 128}, "sliding window of 128"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantised weights"),
        ({"num_key_value_heads": 3}, "impossible sizes"),
        ({"num_hidden_layers": 0}, "impossible sizes"),
        ({"num_attention_heads": -4}, "impossible sizes"),
        ({"head_dim": 15}, "head size of 15"),
        ({"hidden_size": "64"}, "not a usable model configuration"),
    ],
)
def test_what_a_gguf_cannot_say_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConversionError, match=message):
        read_shape(write(tmp_path, **changes))


def test_window_as_long_as_the_context_changes_nothing(tmp_path: Path) -> None:
    assert read_shape(write(tmp_path, sliding_window=4096, max_position_embeddings=4096)).context == 4096


def test_window_that_is_switched_off_changes_nothing(tmp_path: Path) -> None:
    folder = write(
        tmp_path, architectures=["Qwen2ForCausalLM"], sliding_window=8, use_sliding_window=False
    )  # fmt: skip
    assert read_shape(folder).architecture.gguf == "qwen2"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b"[" * 5000, b'{"architectures": ["\xff"]}'])
def test_damaged_configuration_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ConversionError, match="not a usable model configuration"):
        read_shape(tmp_path)


def test_missing_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"config\.json cannot be read"):
        read_shape(tmp_path)
