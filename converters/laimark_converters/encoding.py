"""Rows of float32 as the bytes of a ggml type, refusing what that type cannot hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from laimark_converters.errors import ConversionError
from laimark_converters.ggml_types import GGMLQuantizationType

_LARGEST: Mapping[GGMLQuantizationType, float] = {
    GGMLQuantizationType.F16: 65504.0,
    # The largest finite bfloat16: what lies beyond rounds to infinity.
    GGMLQuantizationType.BF16: 2.0**128 * (1 - 2.0**-8),
    # A block's largest value divided by 127 is kept as f16.
    GGMLQuantizationType.Q8_0: 65504.0 * 127,
}


def encode(name: str, block: NDArray[np.float32], kind: GGMLQuantizationType) -> bytes:
    """Return whole rows as the bytes of f32, f16, bf16 or q8_0, rounded as ggml rounds.

    Args:
        name: of the tensor, for messages.
        block: (rows, values of a row); for q8_0 a multiple of 32 values.
        kind: the type in the file.

    Raises:
        ConversionError: a value is not finite, or too large for the type.
    """
    if not np.isfinite(block).all():
        raise ConversionError(f"{name} holds NaN or infinity")
    if kind == GGMLQuantizationType.F32:
        return block.astype("<f4", copy=False).tobytes()
    if float(np.abs(block).max()) > _LARGEST[kind]:
        raise ConversionError(f"{name} holds values too large for {kind.name.lower()}", hint="choose f32")
    if kind == GGMLQuantizationType.F16:
        return block.astype("<f2").tobytes()
    from gguf import quants

    encoded: NDArray[Any] = quants.quantize(block, kind)
    return encoded.tobytes()
