from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.converters import raw_gguf, synthetic
from tests.converters.raw_gguf import RawGguf, RawTensor
from tests.converters.synthetic import LLAMA

from laimark_converters.adapter_check import CheckedPair, check_adapter
from laimark_converters.adapter_pairs import Module
from laimark_converters.adapter_reader import read_adapter_header
from laimark_converters.errors import ConversionError
from laimark_converters.header import read_header

Q, DOWN = "blk.0.attn_q.weight", "blk.1.ffn_down.weight"


def check(folder: Path, change: Callable[[RawGguf], object] = lambda _: None) -> list[CheckedPair]:
    base = read_header(synthetic.write_header_only(LLAMA, folder / "base.gguf"))
    raw = raw_gguf.adapter({DOWN: synthetic.SHAPES["ffn_down"], Q: synthetic.SHAPES["attn_q"]})
    change(raw)
    return check_adapter(read_adapter_header(raw.write(folder / "adapter.gguf")), base)


def test_pairs_come_in_the_order_of_layers_with_their_place_in_the_model(tmp_path: Path) -> None:
    pairs = check(tmp_path)
    assert [pair.module for pair in pairs] == [
        Module(layer=0, name="attn_q", path="model.layers.0.self_attn.q_proj"),
        Module(layer=1, name="ffn_down", path="model.layers.1.mlp.down_proj"),
    ]
    assert [(pair.rank, pair.alpha) for pair in pairs] == [(4, 8.0), (4, 8.0)]


@pytest.mark.parametrize("keys", [{}, {"adapter.lora.alpha": (raw_gguf.FLOAT32, struct.pack("<f", 0.0))}])
def test_no_alpha_is_full_strength(tmp_path: Path, keys: dict[str, tuple[int, bytes]]) -> None:
    def without(raw: RawGguf) -> None:
        del raw.keys["adapter.lora.alpha"]
        raw.keys |= keys

    assert {pair.alpha / pair.rank for pair in check(tmp_path, without)} == {1.0}


def to_layer_7(tensor: RawTensor) -> None:
    tensor.name = tensor.name.replace("blk.1", "blk.7")


def set_key(name: str, kind: int, value: bytes) -> Callable[[RawGguf], object]:
    return lambda raw: raw.keys.update({name: (kind, value)})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda raw: list(map(to_layer_7, raw.tensors)),
            "has no tensor",
        ),
        (lambda raw: setattr(raw.tensors[0], "dims", (32, 4)), "the adapter is for"),
        (lambda raw: setattr(raw.tensors[0], "dims", (48, 3)), "do not multiply"),
        (lambda raw: setattr(raw.tensors[0], "kind", raw_gguf.I32), "has the type I32; F32, F16"),
        (lambda raw: raw.tensors.clear(), "holds no tensors"),
        (set_key("general.architecture", raw_gguf.TEXT, raw_gguf.text("qwen2")), "is for 'qwen2'"),
        (
            set_key("adapter.lora.alpha", raw_gguf.FLOAT32, struct.pack("<f", float("nan"))),
            "has an adapter.lora.alpha that is no number",
        ),
        (set_key("adapter.lora.alpha", raw_gguf.TEXT, raw_gguf.text("8")), "alpha that is no number"),
        (
            # Halfway between float32's largest number and the power of two after it: it rounds to infinity.
            set_key("adapter.lora.alpha", raw_gguf.FLOAT64, struct.pack("<d", 3.4028235677973366e38)),
            r"no number which float32 holds: 3\.4028235677973366e\+38",
        ),
        (
            # To zero, which llama.cpp reads as "no alpha".
            set_key("adapter.lora.alpha", raw_gguf.FLOAT64, struct.pack("<d", 1e-60)),
            "no number which float32 holds: 1e-60",
        ),
        (
            set_key("adapter.alora.invocation_tokens", raw_gguf.UINT32, struct.pack("<I", 1)),
            "only after certain",
        ),
    ],
)
def test_what_a_runner_cannot_serve_is_refused(
    tmp_path: Path, change: Callable[[RawGguf], object], reason: str
) -> None:
    with pytest.raises(ConversionError, match=reason):
        check(tmp_path, change)


@pytest.mark.parametrize(
    "name",
    [
        "token_embd.weight",
        "output.weight",
        "blk.0.attn_norm.weight",
        "blk.0.attn_q.bias",
        "blk.01.attn_q.weight",
        "blk.\u0663.attn_q.weight",
        "blk.99999999999999999999.attn_q.weight",
        "",
    ],
)
def test_name_that_is_no_projection_is_refused(tmp_path: Path, name: str) -> None:
    def rename(raw: RawGguf) -> None:
        raw.tensors[0].name = f"{name}.lora_a"

    with pytest.raises(ConversionError, match=r"which is no half of a LoRA on a projection of a llama model"):
        check(tmp_path, rename)


def test_half_without_its_other_half_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="only one half of the LoRA"):
        check(tmp_path, lambda raw: raw.tensors.pop())
