"""Write a GGUF tensor by tensor: memory stays at a few blocks of rows, whatever the model's size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from laimark_converters.encoding import encode
from laimark_converters.ggml_types import GGML_QUANT_SIZES, GGMLQuantizationType
from laimark_converters.gguf_header import ALIGNMENT, Listed, encoded_keys, file_start, padding

Dtype = Literal["f32", "f16", "bf16", "q8_0"]
_TYPES = {
    "f32": GGMLQuantizationType.F32,
    "f16": GGMLQuantizationType.F16,
    "bf16": GGMLQuantizationType.BF16,
    "q8_0": GGMLQuantizationType.Q8_0,
}
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

    @property
    def kind(self) -> GGMLQuantizationType:
        return _TYPES[self.dtype]

    @property
    def size_bytes(self) -> int:
        values, size = GGML_QUANT_SIZES[self.kind]
        return prod(self.shape) // values * size


def storable(shape: Sequence[int], dtype: Dtype) -> Dtype:
    """Return the type a tensor is stored in: vectors stay f32, rows that q8_0 cannot block become f16."""
    if len(shape) < 2:
        return "f32"
    if dtype == "q8_0" and shape[-1] % 32:
        return "f16"
    return dtype


def new_writer(architecture: str) -> Any:
    """Return a `gguf.GGUFWriter` for the keys of a model; it opens no file before `write` is called."""
    import gguf

    return gguf.GGUFWriter(None, architecture)


def write(writer: Any, file: Path, tensors: Sequence[OutputTensor]) -> int:
    """Write the writer's keys and the tensors to `file` and return its size in bytes. Equal input, equal bytes.

    Raises:
        ConversionError: a value is not finite, or does not fit the type it is stored in.
    """
    for tensor in tensors:
        writer.add_tensor_info(
            tensor.name, tensor.shape, np.dtype(np.float32), tensor.size_bytes, raw_dtype=tensor.kind
        )
    writer.write_header_to_file(path=file)
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with file.open("ab") as handle:
        handle.write(b"\0" * padding(handle.tell(), ALIGNMENT))
        return _write_data(handle, tensors)


def write_with_keys(
    keys: Mapping[str, str | int | float], file: Path, tensors: Sequence[OutputTensor]
) -> int:
    """Write a GGUF of a few plain keys, as `write` does, without importing gguf.

    Raises:
        ConversionError: a value is not finite, or does not fit the type it is stored in.
    """
    listed = [Listed(name=t.name, shape=t.shape, kind=t.kind, size_bytes=t.size_bytes) for t in tensors]
    with file.open("wb") as handle:
        handle.write(file_start(encoded_keys(keys), len(keys), listed))
        return _write_data(handle, tensors)


def row_blocks(rows: int, row_values: int) -> Iterator[slice]:
    """Yield slices over `rows` such that a block holds about a million values."""
    step = max(1, _BLOCK_VALUES // row_values)
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))


def _write_data(handle: BinaryIO, tensors: Sequence[OutputTensor]) -> int:
    for tensor in tensors:
        written = sum(handle.write(encode(tensor.name, block, tensor.kind)) for block in tensor.blocks())
        assert written == tensor.size_bytes, f"{tensor.name}: {written} of {tensor.size_bytes} bytes"
        handle.write(b"\0" * padding(written, ALIGNMENT))
    return handle.tell()
