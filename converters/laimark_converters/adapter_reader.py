"""Read a GGUF adapter back into Hugging Face's order: the inverse that conversions are checked with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf import quants
from numpy.typing import NDArray

from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader, TensorInfo, read_header
from laimark_converters.rotary import unpermute_rows

HALVES = (".lora_a", ".lora_b")
"""What the names of A and B end in, after the name of the base's tensor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraPair:
    """One projection's LoRA: the served update of W is alpha/rank * b @ a."""

    a: NDArray[np.float32]
    """(rank, in)"""
    b: NDArray[np.float32]
    """(out, rank), rows in ggml's order."""

    @property
    def rank(self) -> int:
        return int(self.a.shape[0])

    def unpermuted(self, heads: int) -> NDArray[np.float32]:
        """Return b with its rows in Hugging Face's order, for a q or k projection of a permuted architecture."""
        return unpermute_rows(self.b, heads)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterGguf:
    """A GGUF adapter in memory."""

    architecture: str
    alpha: float
    pairs: Mapping[str, LoraPair]
    """Name of the base's tensor, `blk.0.attn_q.weight`, -> its LoRA."""
    metadata: Mapping[str, str]
    """The text keys under `laimark.`, without that prefix."""

    def update(self, name: str) -> NDArray[np.float64]:
        """Return what is added to the base's tensor `name`, (out, in), in ggml's row order."""
        pair = self.pairs[name]
        return self.alpha / pair.rank * (pair.b.astype(np.float64) @ pair.a.astype(np.float64))


def read_adapter_gguf(path: Path) -> AdapterGguf:
    """Return the adapter at `path`; f16 and q8_0 halves are widened to float32.

    Raises:
        ConversionError: the file is damaged, is not a LoRA adapter, holds a half without its other half, a value
            that is not finite, or an alpha that is no number.
    """
    header = read_adapter_header(path)
    names = sorted(
        {name.removesuffix(half) for name in header.tensors for half in HALVES if name.endswith(half)}
    )
    return AdapterGguf(
        architecture=header.architecture,
        alpha=read_alpha(header),
        pairs={name: read_pair(path, header, name) for name in names},
        metadata={
            key.removeprefix("laimark."): value
            for key, value in header.keys.items()
            if key.startswith("laimark.") and isinstance(value, str)
        },
    )


def read_adapter_header(path: Path) -> GgufHeader:
    """Return the header of the adapter at `path`; no tensor is read.

    Raises:
        ConversionError: the file is damaged or is not a LoRA adapter.
    """
    header = read_header(path)
    if header.text("general.type") != "adapter" or header.text("adapter.type") != "lora":
        raise ConversionError(
            f"{path.name} is not a LoRA adapter (general.type {header.text('general.type')!r})"
        )
    return header


def read_alpha(header: GgufHeader) -> float:
    """Return `adapter.lora.alpha`, which llama.cpp keeps as float32; 0 where there is none, as llama.cpp reads it.

    Raises:
        ConversionError: it is no number, or float32 makes infinity or zero of it.
    """
    alpha = header.number("adapter.lora.alpha")
    if alpha is None and "adapter.lora.alpha" not in header.keys:
        return 0.0
    with np.errstate(over="ignore"):
        kept = float(np.float32(math.nan if alpha is None else alpha))
    if not math.isfinite(kept) or (alpha and not kept):
        raise ConversionError(
            f"{header.file_name} has an adapter.lora.alpha that is no number which float32 holds: "
            f"{header.keys['adapter.lora.alpha']!r:.40}"
        )
    return kept


def halves(header: GgufHeader, name: str) -> tuple[TensorInfo, TensorInfo]:
    """Return where A and B for the base's tensor `name` lie.

    Raises:
        ConversionError: the file holds only one of them.
    """
    a, b = (header.tensors.get(name + half) for half in HALVES)
    if a is None or b is None:
        raise ConversionError(f"{header.file_name} holds only one half of the LoRA for {name}")
    return a, b


def read_pair(path: Path, header: GgufHeader, name: str) -> LoraPair:
    """Return the LoRA for the base's tensor `name` alone.

    Raises:
        ConversionError: the file holds only one half of it, or a value that is not finite.
    """
    a, b = halves(header, name)
    return LoraPair(a=load_half(path, a), b=load_half(path, b))


def load_half(path: Path, info: TensorInfo) -> NDArray[np.float32]:
    """Return A or B, widened to float32.

    Raises:
        ConversionError: a value is not finite.
    """
    raw: NDArray[Any] = np.fromfile(path, dtype=np.uint8, count=info.size_bytes, offset=info.offset)
    with np.errstate(invalid="ignore", over="ignore"):
        rows = quants.dequantize(raw.reshape(info.shape[0], -1), info.kind)
    if not np.isfinite(rows).all():
        raise ConversionError(f"{info.name} in {path.name} holds NaN or infinity")
    return np.ascontiguousarray(rows, dtype=np.float32).reshape(info.shape)
