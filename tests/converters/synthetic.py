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
    layers: str = "model.layers"
    names: dict[str, str] = field(default_factory=lambda: PLAIN)
    shapes: dict[str, tuple[int, int]] = field(default_factory=lambda: SHAPES)
    kv_heads: int | list[int] = KV_HEADS
    """Of every layer, or of each."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What llama.cpp's script wants to see in config.json besides the sizes."""


FUSED = Stub(
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
)
LLAMA = Stub(gguf="llama", hf_class="LlamaForCausalLM", model_type="llama")
GEMMA3 = Stub(gguf="gemma3", hf_class="Gemma3ForCausalLM", model_type="gemma3_text")
WITHOUT_A_CLASS: dict[str, Stub] = {
    "nanbeige": Stub(gguf="nanbeige", hf_class="NanbeigeForCausalLM", model_type="nanbeige"),
    "internlm3": Stub(gguf="llama", hf_class="InternLM3ForCausalLM", model_type="internlm3"),
    "minicpm": Stub(
        gguf="minicpm",
        hf_class="MiniCPMForCausalLM",
        model_type="minicpm",
        settings={"scale_emb": 12, "scale_depth": 1.4, "dim_model_base": 256},
    ),
    "deci": Stub(
        gguf="deci",
        hf_class="DeciLMForCausalLM",
        model_type="deci",
        kv_heads=[2, 4],
        settings={"num_key_value_heads_per_layer": [2, 4]},
    ),
    # Released models have as many key-value heads as heads; for fewer the script divides one by the other.
    "xverse": Stub(
        gguf="xverse",
        hf_class="XverseForCausalLM",
        model_type="xverse",
        kv_heads=HEADS,
        shapes=SHAPES | dict.fromkeys(("attn_k", "attn_v"), (HEADS * HEAD_DIM, HIDDEN)),
    ),
    "deepseek": Stub(
        gguf="deepseek",
        hf_class="DeepseekForCausalLM",
        model_type="deepseek",
        settings={
            "first_k_dense_replace": LAYERS,
            "moe_intermediate_size": 16,
            "n_routed_experts": 4,
            "n_shared_experts": 1,
        },
    ),
    "exaone": Stub(
        gguf="exaone",
        hf_class="ExaoneForCausalLM",
        model_type="exaone",
        layers="transformer.h",
        names={
            "attn.attention.q_proj": "attn_q",
            "attn.attention.k_proj": "attn_k",
            "attn.attention.v_proj": "attn_v",
            "attn.attention.out_proj": "attn_output",
            "mlp.c_fc_0": "ffn_gate",
            "mlp.c_fc_1": "ffn_up",
            "mlp.c_proj": "ffn_down",
        },
        settings={"activation_function": "silu", "layer_norm_epsilon": 1e-5},
    ),
}
"""Families whose model is not in transformers: only tensors are compared, no logits."""


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
        "num_key_value_heads": stub.kv_heads if isinstance(stub.kv_heads, int) else KV_HEADS,
        "vocab_size": 64,
    }
    (folder / "config.json").write_text(json.dumps(config | stub.settings), encoding="utf-8")


def write_header_only(stub: Stub, file: Path, *, rows: int = 0) -> Path:
    """Write a base GGUF of `stub` with zero weights; `rows` other than 0 replaces the rows of every tensor."""
    file.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(file, stub.gguf)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(stub.kv_heads)
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
            path = f"{stub.layers}.{layer}.{module}"
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


def save_in_order(tensors: dict[str, NDArray[np.float32]], file: Path) -> None:
    """Write a safetensors file in the order of `tensors`, which the safetensors package would sort."""
    header, data = {}, b""
    for name, values in tensors.items():
        start, data = len(data), data + values.tobytes()
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [start, len(data)]}
    content = json.dumps(header).encode()
    file.write_bytes(len(content).to_bytes(8, "little") + content + data)


def write_stub_adapter(stub: Stub, folder: Path, **settings: Any) -> Path:
    """Write a random adapter over every projection of `stub`."""
    return write_adapter(folder, stub_tensors(stub), **settings)


def _normal(random: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    return random.standard_normal(shape).astype(np.float32)
