"""Which tensors of a base a merge rewrites and in which type: everything is checked before a byte is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal, get_args

from laimark_converters.adapter_reader import HALVES, halves, read_alpha
from laimark_converters.base_fit import OTHER_BASE, check_model, check_pair, check_readable, check_shapes
from laimark_converters.errors import ConversionError
from laimark_converters.ggml_types import GGML_QUANT_SIZES, GGMLQuantizationType
from laimark_converters.header import GgufHeader, TensorInfo

Touched = Literal["q8_0", "f16", "bf16", "f32"]
"""Types of rewritten tensors: none as coarse as a 4-bit grid, where a small delta is rounded away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """One tensor of the base that becomes W + scale * update."""

    base: TensorInfo
    kind: GGMLQuantizationType
    """In the merged file."""
    scale: float
    """For a LoRA that of B @ A; else the caller's."""

    @property
    def row_bytes(self) -> int:
        """Bytes of one row in the merged file."""
        values, size = GGML_QUANT_SIZES[self.kind]
        return self.base.shape[-1] // values * size

    @property
    def size_bytes(self) -> int:
        """Of the tensor in the merged file."""
        return prod(self.base.shape[:-1]) * self.row_bytes


def plan_merge(
    base: GgufHeader, adapter: GgufHeader, touched: Touched, *, base_sha256: str, scale: float
) -> dict[str, Rewritten]:
    """Return the tensors to rewrite by name, every one known to fit; all others are copied.

    Args:
        base: of the served model.
        adapter: of the LoRA, its rows in ggml's order.
        touched: type of the rewritten tensors; rows that q8_0 cannot block become f16.
        base_sha256: of the base's file; an adapter that names another one is refused.
        scale: factor on the adapter's effect.

    Raises:
        ConversionError: the adapter does not fit this base, or its effect cannot be merged; says which tensor.
    """
    _check_touched(touched)
    check_pair(base, adapter)
    made_for = adapter.text("laimark.base_sha256")
    if made_for not in {"", base_sha256}:
        raise ConversionError(
            f"{adapter.file_name} was made for the base {made_for[:12]}, {base.file_name} is {base_sha256[:12]}",
            hint=OTHER_BASE,
        )
    alpha = read_alpha(adapter)
    planned = {}
    for name in sorted({_base_name(tensor, adapter) for tensor in adapter.tensors}):
        info, rank = _fitting(name, base, adapter)
        # llama.cpp reads an alpha of zero as "no alpha" and applies the product as it is.
        factor = scale * (alpha / rank if alpha else 1.0)
        planned[name] = Rewritten(base=info, kind=merged_kind(info.shape, touched), scale=factor)
    if not planned:
        raise ConversionError(f"{adapter.file_name} holds no tensors")
    return planned


def check_merge(base: GgufHeader, touched: Touched) -> None:
    """Do nothing where something may be merged into `base` as `touched`.

    Raises:
        ConversionError: it is no pristine model, or there is no such type.
    """
    _check_touched(touched)
    check_model(base)


def _check_touched(touched: Touched) -> None:
    if touched not in get_args(Touched):
        raise ConversionError(f"touched is {touched!r}; it must be one of {', '.join(get_args(Touched))}")


def _base_name(tensor: str, adapter: GgufHeader) -> str:
    for half in HALVES:
        if tensor.endswith(half):
            return tensor.removesuffix(half)
    raise ConversionError(f"{adapter.file_name} holds {tensor}, which is no half of a LoRA")


def _fitting(name: str, base: GgufHeader, adapter: GgufHeader) -> tuple[TensorInfo, int]:
    """Return the base's tensor and the LoRA's rank."""
    a, b = halves(adapter, name)
    if name == "token_embd.weight":
        raise ConversionError(
            f"{adapter.file_name} adapts {name}: it may be the output projection too, where no runner adapts it",
            hint="train without the embedding",
        )
    info = check_shapes(name, a, b, base)
    for tensor, header in ((info, base), (a, adapter), (b, adapter)):
        check_readable(tensor, header)
    return info, a.shape[0]


def merged_kind(shape: tuple[int, ...], touched: Touched) -> GGMLQuantizationType:
    """Return the type of a rewritten tensor: vectors stay f32, rows that q8_0 cannot block become f16."""
    if len(shape) < 2:
        return GGMLQuantizationType.F32
    if touched == "q8_0" and shape[-1] % 32:
        return GGMLQuantizationType.F16
    kinds: Mapping[str, GGMLQuantizationType] = {
        "q8_0": GGMLQuantizationType.Q8_0,
        "f16": GGMLQuantizationType.F16,
        "bf16": GGMLQuantizationType.BF16,
        "f32": GGMLQuantizationType.F32,
    }
    return kinds[touched]
