"""Writes LoRA GGUF files, good and bad, for any llama base, straight with the `gguf` package (no converter involved)."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np


def write_lora(
    base: Path,
    out: Path,
    *,
    seed: int = 0,
    strength: float = 0.5,
    rank: int = 4,
    tensors: tuple[str, ...] = ("attn_q", "attn_v", "ffn_down"),
    wrong_shapes: bool = False,
    embeddings: bool = False,
    value: float | None = None,
) -> Path:
    """Write a random LoRA for `base` that visibly changes its logits.

    Args:
        base: GGUF whose shapes to take.
        out: file to write.
        seed: of the random factors.
        strength: standard deviation of B; 0 gives an adapter that changes nothing.
        rank: of every pair.
        tensors: linear layers to adapt.
        wrong_shapes: one column too many everywhere, as if made for another model.
        embeddings: adapt the token embeddings instead; where they are tied to the output llama.cpp aborts on it.
        value: fill B with this number (for example NaN).
    """
    random = np.random.default_rng(seed)
    reader = gguf.GGUFReader(base)
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    for tensor in reader.tensors:
        parts = tensor.name.split(".")
        if not (
            tensor.name == "token_embd.weight" if embeddings else len(parts) == 4 and parts[2] in tensors
        ):
            continue
        width, height = (int(size) for size in tensor.shape)  # GGUF order: input first
        width += wrong_shapes
        # For embeddings llama.cpp looks tokens up in A, so it wants a row of A for each token.
        shape_a, shape_b = ((height, rank), (width, rank)) if embeddings else ((rank, width), (height, rank))
        factor_a = random.normal(0, width**-0.5, shape_a).astype(np.float32)
        factor_b = random.normal(0, strength, shape_b).astype(np.float32)
        if value is not None:
            factor_b[:] = value
        writer.add_tensor(f"{tensor.name}.lora_a", factor_a)
        writer.add_tensor(f"{tensor.name}.lora_b", factor_b)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out
