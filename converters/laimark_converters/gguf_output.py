"""Write a GGUF tensor by tensor: memory stays at a few blocks of rows, whatever the model's size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
from gguf import quants
from numpy.typing import NDArray

from laimark_converters.encoding import encode

Dtype = Literal["f32", "f16", "bf16", "q8_0"]
ALIGNMENT = 32
"""Of tensor data in the file, bytes: GGUF's default."""

_TYPES = {
    "f32": gguf.GGMLQuantizationType.F32,
    "f16": gguf.GGMLQuantizationType.F16,
    "bf16": gguf.GGMLQuantizationType.BF16,
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
}
FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}
"""`general.file_type` of a file whose matrices are mostly of that type."""
_BLOCK_VALUES = 1 << 20
"""Values converted at a time: 4 MiB of float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTensor:
    """One tensor to write. `blocks` yields its rows in order as float32, whole rows a block."""

    name: str
    shape: tuple[int, ...]
    """Outermost dimension first, as numpy has it (a GGUF lists them the other way round)."""
    dtype: Dtype
    blocks: Callable[[], Iterator[NDArray[np.float32]]]


def storable(shape: Sequence[int], dtype: Dtype) -> Dtype:
    """Return the type a tensor is stored in: vectors stay f32, rows that q8_0 cannot block become f16."""
    if len(shape) < 2:
        return "f32"
    if dtype == "q8_0" and shape[-1] % 32:
        return "f16"
    return dtype


def new_writer(architecture: str) -> Any:
    """Return a `gguf.GGUFWriter` for the keys; it opens no file before `write` is called."""
    return gguf.GGUFWriter(None, architecture)


def write(writer: Any, file: Path, tensors: Sequence[OutputTensor]) -> int:
    """Write header, keys and tensors to `file` and return its size in bytes. Equal input, equal bytes.

    Raises:
        ConversionError: a value is not finite, or does not fit the type it is stored in.
    """
    for tensor in tensors:
        kind = _TYPES[tensor.dtype]
        writer.add_tensor_info(
            tensor.name, tensor.shape, np.dtype(np.float32), _nbytes(tensor), raw_dtype=kind
        )
    writer.write_header_to_file(path=file)
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with file.open("ab") as handle:
        handle.write(b"\0" * (-handle.tell() % ALIGNMENT))
        for tensor in tensors:
            written = 0
            for block in tensor.blocks():
                written += handle.write(encode(tensor.name, block, _TYPES[tensor.dtype]))
            assert written == _nbytes(tensor), (
                f"{tensor.name}: {written} bytes written, {_nbytes(tensor)} announced"
            )
            handle.write(b"\0" * (-handle.tell() % ALIGNMENT))
        return handle.tell()


def row_blocks(rows: int, row_values: int) -> Iterator[slice]:
    """Yield slices over `rows` such that a block holds about a million values."""
    step = max(1, _BLOCK_VALUES // row_values)
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))


def _nbytes(tensor: OutputTensor) -> int:
    byte_shape = quants.quant_shape_to_byte_shape(tensor.shape, _TYPES[tensor.dtype])
    return int(np.prod(byte_shape, dtype=np.int64))
