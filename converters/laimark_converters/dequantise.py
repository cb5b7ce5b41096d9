"""The values of a GGUF's tensors, a block of rows at a time: a model is never held in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from numpy.typing import NDArray

from laimark_converters.byte_stream import read_exactly
from laimark_converters.errors import ConversionError
from laimark_converters.header import TensorInfo

BLOCK_VALUES = 1 << 20
"""Values decoded at a time: 4 MiB of float32 and a few times that for the decoder's own."""
EXACT_TYPES = frozenset({GGMLQuantizationType.F32, GGMLQuantizationType.F16, GGMLQuantizationType.BF16})


def row_blocks(file: Path, tensor: TensorInfo, *, whole_rows: int = 1) -> Iterator[NDArray[np.float32]]:
    """Yield a tensor's rows in order as float32 (rows, values); a vector comes as one row.

    Source of the decoding: gguf-py `quants.py`, which llama.cpp tests bit for bit against ggml.

    Args:
        file: the GGUF.
        tensor: from its header.
        whole_rows: every block holds a multiple of this many rows (those of a head, for example).

    Raises:
        ConversionError: the type is not decoded here, or the file became shorter.
        OSError: the file cannot be read.
    """
    rows = tensor.shape[0] if len(tensor.shape) > 1 else 1
    row_values = tensor.shape[-1]
    row_bytes = tensor.size_bytes // rows
    step = max(1, BLOCK_VALUES // (row_values * whole_rows)) * whole_rows
    # Read, not mapped: the pages of a mapped embedding would count as this process's memory.
    with file.open("rb") as handle:
        handle.seek(tensor.offset)
        for start in range(0, rows, step):
            count = min(step, rows - start)
            raw = np.frombuffer(read_exactly(handle, count * row_bytes), np.uint8)
            yield _decode(tensor, raw.reshape(count, row_bytes))


def require_decodable(tensor: TensorInfo) -> None:
    """Refuse a type that would only fail in the middle of gigabytes.

    Raises:
        ConversionError: the type is not decoded here.
    """
    _, block_bytes = GGML_QUANT_SIZES[tensor.kind]
    _decode(tensor, np.zeros((1, block_bytes), np.uint8))


def vector(file: Path, tensor: TensorInfo) -> NDArray[np.float32]:
    """Return a small tensor of one dimension."""
    (values,) = row_blocks(file, tensor)
    found: NDArray[np.float32] = values[0]
    return found


def _decode(tensor: TensorInfo, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    try:
        decoded: NDArray[np.float32] = quants.dequantize(raw, tensor.kind)
    except NotImplementedError as error:
        raise ConversionError(
            f"{tensor.name} is of the type {tensor.kind.name}, which is not decoded here",
            hint="set base.hf to the Hugging Face folder of this model",
        ) from error
    return decoded
