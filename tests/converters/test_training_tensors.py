from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf.constants import GGMLQuantizationType
from tests.converters.test_training_config import tensor

from laimark_converters import dequantise
from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader, read_header
from laimark_converters.training_config import training_config
from laimark_converters.training_tensors import plan_training_tensors


@pytest.fixture(scope="module")
def header(demo_gguf: Path) -> GgufHeader:
    return read_header(demo_gguf)


@pytest.fixture(scope="module")
def config(demo_gguf: Path, header: GgufHeader) -> dict[str, Any]:
    return training_config(demo_gguf, header)


def test_every_tensor_of_the_file_is_read_once(header: GgufHeader, config: dict[str, Any]) -> None:
    planned = plan_training_tensors(header, config, "f16")
    assert {one.source.name for one in planned} == set(header.tensors)
    assert len({one.name for one in planned}) == len(planned) == len(header.tensors)


def test_floats_keep_their_type_and_the_rest_gets_the_one_asked_for(
    header: GgufHeader, config: dict[str, Any]
) -> None:
    quantised = {
        name: replace(info, kind=GGMLQuantizationType.Q8_0) if len(info.shape) > 1 else info
        for name, info in header.tensors.items()
    }
    kept = plan_training_tensors(header, config, "f32")
    changed = plan_training_tensors(replace(header, tensors=quantised), config, "bf16")
    assert {one.kind.name for one in kept if len(one.source.shape) > 1} == {"F16"}
    assert {one.kind.name for one in changed if len(one.source.shape) > 1} == {"BF16"}
    assert {one.kind.name for one in (*kept, *changed) if len(one.source.shape) == 1} == {"F32"}


def test_blocks_of_whole_heads_come_back_in_the_same_order_as_the_whole(
    header: GgufHeader, config: dict[str, Any], demo_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = {one.name: one for one in plan_training_tensors(header, config, "f16")}
    query = planned["model.layers.0.self_attn.q_proj.weight"]
    whole = np.concatenate(list(query.blocks(demo_gguf)))
    monkeypatch.setattr(dequantise, "BLOCK_VALUES", 1000)
    blocks = list(query.blocks(demo_gguf))
    assert len(blocks) == config["num_attention_heads"]
    assert np.array_equal(np.concatenate(blocks), whole)


def test_a_type_that_is_not_decoded_is_refused_before_anything_is_written(
    header: GgufHeader, config: dict[str, Any]
) -> None:
    name = "blk.1.ffn_up.weight"
    odd = replace(header.tensors[name], kind=GGMLQuantizationType.I8)
    with pytest.raises(ConversionError, match=rf"{name} is of the type I8") as caught:
        plan_training_tensors(replace(header, tensors={**header.tensors, name: odd}), config, "f16")
    assert "base.hf" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("blk.1.attn_q.weight", None, r"lacks blk\.1\.attn_q\.weight"),
        ("blk.1.attn_q.weight", (3, 4), r"blk\.1\.attn_q\.weight has the shape \[3, 4\], its keys say"),
        ("blk.1.attn_q_norm.weight", (64,), r"holds blk\.1\.attn_q_norm\.weight, which LlamaForCausalLM"),
        ("blk.1.attn_q.bias", (64,), r"holds blk\.1\.attn_q\.bias"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(
    header: GgufHeader, config: dict[str, Any], name: str, shape: tuple[int, ...] | None, message: str
) -> None:
    tensors = {key: info for key, info in header.tensors.items() if key != name}
    if shape is not None:
        tensors[name] = tensor(name, *shape)
    with pytest.raises(ConversionError, match=message):
        plan_training_tensors(replace(header, tensors=tensors), config, "f16")
