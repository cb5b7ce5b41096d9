"""Does something fit a base? Refusals that every way to serve or merge an adapter shares."""

from __future__ import annotations

import numpy as np

from laimark_converters.errors import ConversionError
from laimark_converters.ggml_types import GGML_QUANT_SIZES
from laimark_converters.header import GgufHeader, TensorInfo

MERGED_PREFIX = "laimark.merged."
"""Of the keys that only merged models have."""
OTHER_BASE = "the adapter was trained on another base; name the one it was trained on"


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
            hint=OTHER_BASE,
        )
    if any(key.startswith("adapter.alora.") for key in adapter.keys):
        raise ConversionError(
            f"{adapter.file_name} is active only after certain tokens; a merged model always is"
        )


def check_shapes(name: str, a: TensorInfo, b: TensorInfo, base: GgufHeader) -> TensorInfo:
    """Return the base's tensor `name`, which A (rank, in) and B (out, rank) fit.

    Raises:
        ConversionError: they do not, or there is no such tensor.
    """
    info = base.tensors.get(name)
    if info is None:
        raise ConversionError(f"{base.file_name} has no tensor {name}", hint=OTHER_BASE)
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[0] != b.shape[1] or min(a.shape + b.shape) < 1:
        raise ConversionError(f"{name}: lora_a {list(a.shape)} and lora_b {list(b.shape)} do not multiply")
    if info.shape != (b.shape[0], a.shape[1]):
        raise ConversionError(
            f"{name}: the adapter is for {[b.shape[0], a.shape[1]]}, {base.file_name} has {list(info.shape)}",
            hint=OTHER_BASE,
        )
    return info


def check_readable(tensor: TensorInfo, header: GgufHeader) -> None:
    """Do nothing for a tensor of a type that is decoded here.

    Raises:
        ConversionError: it is of another type.
    """
    from gguf import quants

    _, block_bytes = GGML_QUANT_SIZES[tensor.kind]
    try:
        quants.dequantize(np.zeros((1, block_bytes), np.uint8), tensor.kind)
    except NotImplementedError as error:
        raise ConversionError(
            f"{tensor.name} in {header.file_name} has the type {tensor.kind.name}, which is not read here",
            hint="choose a base quantised as Q4_K_M, Q8_0 or another common type",
        ) from error
