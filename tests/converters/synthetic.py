"""Adapters and headers written by hand: for architectures, patterns and damage that no training run produces."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

PLAIN: dict[str, str] = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
HIDDEN, INTERMEDIATE, HEADS, KV_HEADS, HEAD_DIM, LAYERS, RANK = 32, 48, 4, 2, 8, 2, 4
SHAPES: dict[str, tuple[int, int]] = {
    "attn_q": (HEADS * HEAD_DIM, HIDDEN),
    "attn_k": (KV_HEADS * HEAD_DIM, HIDDEN),
    "attn_v": (KV_HEADS * HEAD_DIM, HIDDEN),
    "attn_output": (HIDDEN, HEADS * HEAD_DIM),
    "ffn_gate": (INTERMEDIATE, HIDDEN),
    "ffn_up": (INTERMEDIATE, HIDDEN),
    "ffn_down": (HIDDEN, INTERMEDIATE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stub:
    """An architecture by its names: the GGUF's, the Hugging Face class's and type's."""

    gguf: str
    hf_class: str
    model_type: str
    names: dict[str, str] = field(default_factory=lambda: PLAIN)
    shapes: dict[str, tuple[int, int]] = field(default_factory=lambda: SHAPES)


STUBS: dict[str, Stub] = {
    stub.gguf: stub
    for stub in (
        Stub(gguf="granite", hf_class="GraniteForCausalLM", model_type="granite"),
        Stub(gguf="gemma", hf_class="GemmaForCausalLM", model_type="gemma"),
        Stub(gguf="gemma2", hf_class="Gemma2ForCausalLM", model_type="gemma2"),
        Stub(gguf="gemma3", hf_class="Gemma3ForCausalLM", model_type="gemma3_text"),
        Stub(
            gguf="phi3",
            hf_class="Phi3ForCausalLM",
            model_type="phi3",
            names={
                "self_attn.qkv_proj": "attn_qkv",
                "self_attn.o_proj": "attn_output",
                "mlp.gate_up_proj": "ffn_up",
                "mlp.down_proj": "ffn_down",
            },
            shapes={
                "attn_qkv": ((HEADS + 2 * KV_HEADS) * HEAD_DIM, HIDDEN),
                "attn_output": (HIDDEN, HEADS * HEAD_DIM),
                "ffn_up": (2 * INTERMEDIATE, HIDDEN),
                "ffn_down": (HIDDEN, INTERMEDIATE),
            },
        ),
    )
}
LLAMA = Stub(gguf="llama", hf_class="LlamaForCausalLM", model_type="llama")


def write_hf_config(stub: Stub, folder: Path) -> None:
    """Write the config.json that llama.cpp's script wants to see."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": [stub.hf_class],
        "model_type": stub.model_type,
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "vocab_size": 64,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def write_header_only(stub: Stub, file: Path, *, rows: int = 0) -> Path:
    """Write a base GGUF of `stub` with zero weights; `rows` other than 0 replaces the rows of every tensor."""
    file.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(file, stub.gguf)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    for layer in range(LAYERS):
        for name, (out, into) in stub.shapes.items():
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.zeros((rows or out, into), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def stub_tensors(stub: Stub, ranks: dict[str, int] | None = None) -> dict[str, NDArray[np.float32]]:
    """Return random A and B of every projection under peft's keys; `ranks` by module path, else RANK."""
    random = np.random.default_rng(7)
    tensors: dict[str, NDArray[np.float32]] = {}
    for layer in range(LAYERS):
        for module, name in stub.names.items():
            path = f"model.layers.{layer}.{module}"
            rank = (ranks or {}).get(path, RANK)
            out, into = stub.shapes[name]
            tensors[f"base_model.model.{path}.lora_A.weight"] = _normal(random, (rank, into))
            tensors[f"base_model.model.{path}.lora_B.weight"] = _normal(random, (out, rank))
    return tensors


def write_adapter(folder: Path, tensors: dict[str, NDArray[Any]], **settings: Any) -> Path:
    """Write tensors and an adapter_config.json as peft names its fields."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": 8, "bias": "none"} | settings
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


def write_stub_adapter(stub: Stub, folder: Path, **settings: Any) -> Path:
    """Write a random adapter over every projection of `stub`."""
    return write_adapter(folder, stub_tensors(stub), **settings)


def _normal(random: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    return random.standard_normal(shape).astype(np.float32)
