from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from tests.converters import synthetic
from tests.converters.synthetic import LLAMA

from laimark_converters.adapter_gguf import convert_adapter
from laimark_converters.adapter_reader import read_adapter_gguf
from laimark_converters.errors import ConversionError


def convert(folder: Path, dtype: Any = "f32") -> Path:
    adapter = synthetic.write_stub_adapter(LLAMA, folder / "adapter")
    base = synthetic.write_header_only(LLAMA, folder / "base.gguf")
    convert_adapter(adapter, base, folder / "out.gguf", dtype=dtype)
    return folder / "out.gguf"


def test_a_and_b_come_back_bit_for_bit(tmp_path: Path) -> None:
    read, tensors = read_adapter_gguf(convert(tmp_path)), synthetic.stub_tensors(LLAMA)
    assert (read.architecture, read.alpha) == ("llama", 8.0)
    for layer in range(synthetic.LAYERS):
        for module, name in LLAMA.names.items():
            pair = read.pairs[f"blk.{layer}.{name}.weight"]
            path = f"base_model.model.model.layers.{layer}.{module}"
            b = pair.b
            if name in {"attn_q", "attn_k"}:
                b = pair.unpermuted(synthetic.HEADS if name == "attn_q" else synthetic.KV_HEADS)
            np.testing.assert_array_equal(pair.a, tensors[f"{path}.lora_A.weight"])
            np.testing.assert_array_equal(b, tensors[f"{path}.lora_B.weight"])


@pytest.mark.parametrize(("dtype", "tolerance"), [("f16", 1e-3), ("q8_0", 2e-2)])
def test_smaller_types_come_back_rounded(tmp_path: Path, dtype: str, tolerance: float) -> None:
    read, tensors = read_adapter_gguf(convert(tmp_path, dtype)), synthetic.stub_tensors(LLAMA)
    expected = tensors["base_model.model.model.layers.0.mlp.down_proj.lora_A.weight"]
    np.testing.assert_allclose(read.pairs["blk.0.ffn_down.weight"].a, expected, atol=tolerance * 4)


def test_base_is_not_mistaken_for_an_adapter(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="not a LoRA adapter"):
        read_adapter_gguf(synthetic.write_header_only(LLAMA, tmp_path / "base.gguf"))


def test_half_without_its_other_half_is_refused(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "half.gguf", "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_tensor("blk.0.attn_q.weight.lora_a", np.zeros((4, 8), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ConversionError, match=r"one half of the LoRA for blk\.0\.attn_q\.weight"):
        read_adapter_gguf(tmp_path / "half.gguf")
