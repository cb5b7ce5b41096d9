"""Convert a PEFT LoRA adapter to the GGUF that llama.cpp loads, driven by the header of the base it is served on.

A GGUF knows one alpha and serves each tensor with alpha/rank. Whatever else decides the scale (rank-stabilised
LoRA, patterns, the line search's factor) is folded into B, so that s*B*A is what PEFT computes; llama.cpp's own
script leaves it out silently.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laimark_converters.adapter_output import NO_METADATA, write_adapter
from laimark_converters.adapter_pairs import Pair, pair_up
from laimark_converters.architectures import for_gguf
from laimark_converters.errors import ConversionError
from laimark_converters.gguf_output import Dtype, OutputTensor, storable
from laimark_converters.header import read_header
from laimark_converters.peft_config import LoraConfig, read_lora_config
from laimark_converters.rotary import permute_rows
from laimark_converters.safetensors_index import read_index


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """What a conversion wrote."""

    tensors: int
    """A and B counted each."""
    bytes: int
    """Size of the file."""
    rank: int
    """The largest rank of any projection."""
    alpha: float
    """`adapter.lora.alpha` of the file."""


def convert_adapter(
    adapter_dir: Path,
    base_gguf: Path,
    out: Path,
    *,
    scale: float = 1.0,
    dtype: Dtype = "f32",
    metadata: Mapping[str, str] = NO_METADATA,
) -> Converted:
    """Write the adapter in `adapter_dir` to `out`, durable and complete when it returns; equal input, equal bytes.

    Args:
        adapter_dir: PEFT folder: adapter_config.json and adapter_model.safetensors.
        base_gguf: the GGUF that the runner serves; only its header is read.
        out: replaced as a whole, or left as it is.
        scale: factor on the adapter's effect, folded into B; the line search's. Not 0.
        dtype: of A and B; rows that q8_0 cannot block (B of a rank that 32 does not divide) are f16.
        metadata: text keys such as `base_sha256`, `version`, `parent`; each is written under `laimark.`.

    Raises:
        ConversionError: the adapter cannot be converted faithfully for this base; `out` is what it was.
        OSError: `out` cannot be written; it is what it was.
    """
    if not math.isfinite(scale) or not scale:
        raise ConversionError(
            f"scale is {scale}; it must be finite, and 0 would leave nothing of the adapter"
        )
    config = read_lora_config(adapter_dir / "adapter_config.json")
    header = read_header(base_gguf)
    if header.text("general.type") not in {"", "model"}:
        raise ConversionError(f"{base_gguf.name} is of the type {header.text('general.type')!r}, not a model")
    architecture = for_gguf(header.architecture)
    pairs = pair_up(read_index(adapter_dir / "adapter_model.safetensors"), config, architecture, header)
    alpha = served_alpha(config)
    tensors = [t for pair in pairs for t in _outputs(pair, fold_factor(pair, config, alpha) * scale, dtype)]
    written = write_adapter(out, tensors, architecture=architecture.gguf, alpha=alpha, metadata=metadata)
    return Converted(tensors=len(tensors), bytes=written, rank=max(pair.rank for pair in pairs), alpha=alpha)


def served_alpha(config: LoraConfig) -> float:
    """Return the alpha to write: the adapter's own as float32, or 1 where that is zero or does not fit.

    llama.cpp reads an alpha of zero as "no alpha" and serves the adapter at full strength.
    """
    with np.errstate(over="ignore"):
        alpha = float(np.float32(config.alpha))
    return alpha if math.isfinite(alpha) and abs(alpha) >= float(np.finfo(np.float32).tiny) else 1.0


def fold_factor(pair: Pair, config: LoraConfig, alpha: float) -> float:
    """Return what B is multiplied by, such that factor * alpha/rank is the scale that PEFT applies."""
    if not config.rank_stabilised and not config.alpha_pattern and config.alpha == alpha:
        return 1.0
    return config.scale_of(pair.module) * pair.rank / alpha


def _outputs(pair: Pair, factor: float, dtype: Dtype) -> Iterator[OutputTensor]:
    def a_blocks() -> Iterator[NDArray[np.float32]]:
        yield pair.a.load_finite()

    def b_blocks() -> Iterator[NDArray[np.float32]]:
        rows = pair.b.load_finite()
        if pair.permuted_heads:
            rows = permute_rows(rows, pair.permuted_heads)
        if factor != 1.0:
            # In float64, so that a folded factor costs one rounding and not two; what overflows is refused when encoded.
            with np.errstate(over="ignore"):
                rows = (rows.astype(np.float64) * factor).astype(np.float32)
        yield rows

    for half, tensor, blocks in (("lora_a", pair.a, a_blocks), ("lora_b", pair.b, b_blocks)):
        kind = storable(tensor.shape, dtype)
        yield OutputTensor(name=f"{pair.name}.{half}", shape=tensor.shape, dtype=kind, blocks=blocks)
