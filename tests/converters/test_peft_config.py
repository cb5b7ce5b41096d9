from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peft import IA3Config
from peft import LoraConfig as PeftLoraConfig
from peft.utils.other import get_pattern_key

from laimark_converters.errors import ConversionError
from laimark_converters.peft_config import LoraConfig, check_ia3_config, read_kind, read_lora_config


def write(folder: Path, **changes: Any) -> Path:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({"peft_type": "LORA", "r": 8, "lora_alpha": 16} | changes), encoding="utf-8")
    return file


def test_configuration_that_peft_itself_saves_is_read(tmp_path: Path) -> None:
    PeftLoraConfig(
        r=8, lora_alpha=16, target_modules=["q_proj"], alpha_pattern={"k_proj": 3}
    ).save_pretrained(str(tmp_path))
    config = read_lora_config(tmp_path / "adapter_config.json")
    assert (config.rank, config.alpha, config.rank_stabilised) == (8, 16.0, False)
    assert config.scale_of("model.layers.0.self_attn.k_proj") == 3 / 8


def test_rank_stabilised_scale_divides_by_the_root() -> None:
    config = LoraConfig(
        rank=16, alpha=8.0, rank_stabilised=True, rank_pattern={"v_proj": 4}, alpha_pattern={}
    )
    assert config.scale_of("model.layers.0.self_attn.q_proj") == 2.0
    assert config.scale_of("model.layers.0.self_attn.v_proj") == 8.0 / math.sqrt(4)


@given(
    patterns=st.lists(
        st.sampled_from(["q_proj", r"layers\.1.*", "proj", "self_attn.q_proj", ".*"]), unique=True
    ),
    module=st.sampled_from(["model.layers.1.self_attn.q_proj", "model.layers.0.mlp.up_proj"]),
)
def test_patterns_match_as_they_do_in_peft(patterns: list[str], module: str) -> None:
    ranks = {pattern: number for number, pattern in enumerate(patterns, start=2)}
    config = LoraConfig(rank=1, alpha=1.0, rank_pattern=ranks, alpha_pattern={})
    assert config.rank_of(module) == ranks.get(get_pattern_key(list(ranks), module), 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_dora": True}, "use_dora=True: DoRA rescales"),
        ({"peft_type": "IA3"}, "peft_type='IA3': only LORA"),
        ({"peft_type": "LOHA"}, "peft_type='LOHA'"),
        ({"peft_type": ""}, "peft_type=''"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save=.*whole trained modules"),
        ({"bias": "lora_only"}, "bias='lora_only': trained biases"),
        ({"lora_bias": True}, "lora_bias=True: trained biases"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out=True: .*transposed"),
        ({"target_parameters": ["mlp.experts.gate_up_proj"]}, "target_parameters=.*expert"),
        ({"layer_replication": [[0, 2]]}, "layer_replication=.*do not exist in the base"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices=.*embeddings"),
        ({"alora_invocation_tokens": [1]}, "alora_invocation_tokens=.*every token"),
        ({"use_qalora": True}, "use_qalora=True"),
        ({"init_lora_weights": "pissa_niter_16"}, "init_lora_weights=.*changes the base weights"),
        ({"kasa_config": {"beta": 1}}, "kasa_config=.*not known here"),
        ({"r": 0}, "rank 0"),
        ({"rank_pattern": {"q_proj": -1}}, "must be positive"),
        ({"rank_pattern": {"(": 1}}, "pattern"),
        ({"lora_alpha": "16"}, "not a usable PEFT configuration"),
    ],
)
def test_what_a_gguf_adapter_cannot_say_is_refused_with_its_reason(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConversionError, match=message):
        read_lora_config(write(tmp_path, **changes))


def test_setting_of_a_newer_peft_that_is_off_is_no_obstacle(tmp_path: Path) -> None:
    assert (
        read_lora_config(
            write(tmp_path, brand_new=None, newer_still=False, init_lora_weights="gaussian")
        ).rank
        == 8
    )


def test_missing_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"r": 8, "lora_alpha": 8}')
    with pytest.raises(ConversionError, match="peft_type=''"):
        read_lora_config(tmp_path / "adapter_config.json")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 5000, b'{"r": NaN}', b"\xff"])
def test_damaged_configuration_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "adapter_config.json").write_bytes(content)
    with pytest.raises(ConversionError, match="not a usable PEFT configuration"):
        read_lora_config(tmp_path / "adapter_config.json")


def test_missing_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="cannot be read"):
        read_lora_config(tmp_path / "adapter_config.json")


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (PeftLoraConfig(target_modules=["q_proj"]), "lora"),
        (PeftLoraConfig(target_modules=["q_proj"], use_dora=True), "dora"),
        (IA3Config(target_modules=["k_proj"], feedforward_modules=[]), "ia3"),
    ],
)
def test_kinds_that_peft_itself_saves_are_told_apart(tmp_path: Path, config: Any, kind: str) -> None:
    config.save_pretrained(str(tmp_path))
    file = tmp_path / "adapter_config.json"
    assert read_kind(file) == kind
    if kind == "ia3":
        check_ia3_config(file)
    else:
        assert read_lora_config(file, dora=True).rank == 8


def test_dora_and_ia3_are_refused_as_adapters_with_the_way_out(tmp_path: Path) -> None:
    for changes in ({"use_dora": True}, {"peft_type": "IA3"}):
        with pytest.raises(ConversionError) as caught:
            read_lora_config(write(tmp_path, **changes))
        assert "merge it into the base" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "it is not IA3"),
        ({"peft_type": "IA3", "r": None, "lora_alpha": None, "fan_in_fan_out": True}, "transposed"),
        (
            {"peft_type": "IA3", "r": None, "lora_alpha": None, "modules_to_save": ["x"]},
            "whole trained modules",
        ),
        ({"peft_type": "IA3", "r": None, "lora_alpha": None, "brand_new": 1}, "not known here"),
    ],
)
def test_ia3_that_computes_something_else_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConversionError, match=message):
        check_ia3_config(write(tmp_path, **changes))
