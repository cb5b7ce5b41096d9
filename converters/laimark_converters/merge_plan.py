"""Which tensors of a base a merge rewrites and in which type: everything is checked before a byte is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal, get_args

import numpy as np
from gguf import quants

from laimark_converters.adapter_reader import HALVES, halves
from laimark_converters.errors import ConversionError
from laimark_converters.ggml_types import GGML_QUANT_SIZES, GGMLQuantizationType
from laimark_converters.header import GgufHeader, TensorInfo

Touched = Literal["q8_0", "f16", "bf16", "f32"]
"""Types of rewritten tensors: none as coarse as a 4-bit grid, where a small delta is rounded away."""
MERGED_PREFIX = "laimark.merged."
_OTHER_BASE = "the adapter was trained on another base; name the one it was trained on"


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
            hint=_OTHER_BASE,
        )
    alpha = adapter.number("adapter.lora.alpha") or 0.0
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


def check_model(base: GgufHeader) -> None:
    """Do nothing for a pristine model.

    Raises:
        ConversionError: it is something else, or an adapter was merged into it before.
    """
    if base.text("general.type") not in {"", "model"}:
        raise ConversionError(f"{base.file_name} is of the type {base.text('general.type')!r}, not a model")
    if any(key.startswith(MERGED_PREFIX) for key in base.keys):
        raise ConversionError(
            f"{base.file_name} is a merged model already; a second adapter would stack on the first",
            hint="merge into the pristine base",
        )


def check_pair(base: GgufHeader, adapter: GgufHeader) -> None:
    """Do nothing where `adapter` is for models of this architecture, and `base` is a pristine one.

    Raises:
        ConversionError: it is not, or its effect depends on more than the weights.
    """
    check_model(base)
    if adapter.architecture != base.architecture:
        raise ConversionError(
            f"{adapter.file_name} is for {adapter.architecture!r}, {base.file_name} is {base.architecture!r}",
            hint=_OTHER_BASE,
        )
    if any(key.startswith("adapter.alora.") for key in adapter.keys):
        raise ConversionError(
            f"{adapter.file_name} is active only after certain tokens; a merged model always is"
        )


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


def check_shapes(name: str, a: TensorInfo, b: TensorInfo, base: GgufHeader) -> TensorInfo:
    """Return the base's tensor `name`, which A (rank, in) and B (out, rank) fit.

    Raises:
        ConversionError: they do not, or there is no such tensor.
    """
    info = base.tensors.get(name)
    if info is None:
        raise ConversionError(f"{base.file_name} has no tensor {name}", hint=_OTHER_BASE)
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[0] != b.shape[1] or min(a.shape + b.shape) < 1:
        raise ConversionError(f"{name}: lora_a {list(a.shape)} and lora_b {list(b.shape)} do not multiply")
    if info.shape != (b.shape[0], a.shape[1]):
        raise ConversionError(
            f"{name}: the adapter is for {[b.shape[0], a.shape[1]]}, {base.file_name} has {list(info.shape)}",
            hint=_OTHER_BASE,
        )
    return info


def check_readable(tensor: TensorInfo, header: GgufHeader) -> None:
    """Do nothing for a tensor of a type that is decoded here.

    Raises:
        ConversionError: it is of another type.
    """
    _, block_bytes = GGML_QUANT_SIZES[tensor.kind]
    try:
        quants.dequantize(np.zeros((1, block_bytes), np.uint8), tensor.kind)
    except NotImplementedError as error:
        raise ConversionError(
            f"{tensor.name} in {header.file_name} has the type {tensor.kind.name}, which is not read here",
            hint="choose a base quantised as Q4_K_M, Q8_0 or another common type",
        ) from error


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
