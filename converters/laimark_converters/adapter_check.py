"""Does a LoRA GGUF, whoever made it, fit the base it is to be served on? Decided by the two headers alone.

llama.cpp looks up tensors by name and aborts, or crashes at the first token, on some that it should refuse; so what
is not a projection of a known architecture never reaches it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from laimark_converters.adapter_pairs import Module
from laimark_converters.adapter_reader import HALVES, halves, read_alpha
from laimark_converters.architectures import Architecture, for_gguf
from laimark_converters.base_fit import check_pair, check_shapes
from laimark_converters.errors import ConversionError
from laimark_converters.ggml_types import GGMLQuantizationType
from laimark_converters.gguf_output import Dtype
from laimark_converters.header import GgufHeader, TensorInfo

DTYPES: Mapping[GGMLQuantizationType, Dtype] = {
    GGMLQuantizationType.F32: "f32",
    GGMLQuantizationType.F16: "f16",
    GGMLQuantizationType.BF16: "bf16",
    GGMLQuantizationType.Q8_0: "q8_0",
}
"""Types of A and B that are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPair:
    """One projection's LoRA that fits the base."""

    module: Module
    a: TensorInfo
    """(rank, in)"""
    b: TensorInfo
    """(out, rank)"""
    alpha: float
    """The update that is served is alpha/rank * b @ a."""

    @property
    def rank(self) -> int:
        return self.a.shape[0]


def check_adapter(adapter: GgufHeader, base: GgufHeader) -> list[CheckedPair]:
    """Return the adapter's pairs in the order of layers and names, each known to fit the base.

    Args:
        adapter: of a LoRA GGUF; its base_sha256 is not looked at.
        base: of the served model.

    Raises:
        ConversionError: it is for another architecture, holds a tensor that is no half of a LoRA on a projection of
            this base, one of a wrong shape or of a type that is not taken, or its alpha is no number that a runner
            can hold.
    """
    check_pair(base, adapter)
    architecture = for_gguf(base.architecture)
    alpha = read_alpha(adapter)
    pairs = []
    for module in sorted({_module(tensor, architecture, adapter) for tensor in adapter.tensors}):
        a, b = halves(adapter, f"{module.prefix}.weight")
        check_shapes(f"{module.prefix}.weight", a, b, base)
        for half in (a, b):
            if half.kind not in DTYPES:
                taken = ", ".join(kind.name for kind in DTYPES)
                raise ConversionError(
                    f"{half.name} in {adapter.file_name} has the type {half.kind.name}; {taken} are taken"
                )
        # llama.cpp reads an alpha of zero as "no alpha" and applies the product as it is.
        pairs.append(CheckedPair(module=module, a=a, b=b, alpha=alpha or float(a.shape[0])))
    if not pairs:
        raise ConversionError(f"{adapter.file_name} holds no tensors")
    return pairs


def _module(tensor: str, architecture: Architecture, adapter: GgufHeader) -> Module:
    modules = {name: module for module, name in architecture.projections.items()}
    parts = tensor.split(".")
    known = len(parts) == 5 and parts[0] == "blk" and parts[3] == "weight" and f".{parts[4]}" in HALVES
    if not known or parts[2] not in modules or not _is_index(parts[1]):
        raise ConversionError(
            f"{adapter.file_name} holds {tensor}, which is no half of a LoRA on a projection of a "
            f"{architecture.gguf} model",
            hint=f"train on {', '.join(architecture.projections)} only",
        )
    layer = int(parts[1])
    return Module(layer=layer, name=parts[2], path=f"{architecture.layers}.{layer}.{modules[parts[2]]}")


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 4 and str(int(text)) == text
