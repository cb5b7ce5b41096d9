"""Find tensors in safetensors files without loading them, and map one at a time.

The safetensors package cannot hand bfloat16 to numpy, and a hostile header must become a `ConversionError`
before anything is allocated; the format is an 8-byte length, a JSON header and raw little-endian data.
Source: https://github.com/huggingface/safetensors, README "Format".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from laimark_converters.errors import ConversionError

MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""

_RAW_DTYPES: Mapping[str, str] = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


class _ShardIndex(msgspec.Struct, frozen=True):
    weight_map: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """Where one tensor lies. Sizes were checked against the file; its values were not looked at yet."""

    name: str
    file: Path
    offset: int
    dtype: str
    """`F32`, `F16` or `BF16`."""
    shape: tuple[int, ...]

    def raw(self) -> NDArray[Any]:
        """Map the data read-only: float32, float16, or the uint16 bit patterns of bfloat16."""
        return np.memmap(
            self.file, dtype=_RAW_DTYPES[self.dtype], mode="r", offset=self.offset, shape=self.shape
        )

    def widen(self, block: NDArray[Any]) -> NDArray[np.float32]:
        """Return a piece of `raw()` as float32, itself where it is that; exact for all three types."""
        if self.dtype != "BF16":
            return block.astype(np.float32, copy=False)
        return (block.astype(np.uint32) << np.uint32(16)).view(np.float32)

    def load(self) -> NDArray[np.float32]:
        """Return the whole tensor as float32, in memory of its own.

        Raises:
            ConversionError: the file was truncated since it was looked at.
        """
        # Mapping costs more than reading what is as small as A and B.
        values = prod(self.shape)
        raw = np.fromfile(self.file, dtype=_RAW_DTYPES[self.dtype], count=values, offset=self.offset)
        if raw.size != values:
            raise ConversionError(f"{self.file.name} was truncated while {self.name} was read")
        return self.widen(raw.reshape(self.shape))

    def load_finite(self) -> NDArray[np.float32]:
        """Return the whole tensor as `load` does.

        Raises:
            ConversionError: a value is NaN or infinite.
        """
        with np.errstate(invalid="ignore"):
            values = self.load()
        if not np.isfinite(values).all():
            raise ConversionError(
                f"{self.name} holds NaN or infinity", hint="the training diverged; train again"
            )
        return values


def read_index(file: Path) -> dict[str, StoredTensor]:
    """Return the tensors of one safetensors file by name, in the order of their names.

    Raises:
        ConversionError: the file is missing, truncated, not safetensors, or holds a type that is not a float.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as handle:
            header_bytes = int.from_bytes(handle.read(8), "little")
            if size < 8 or header_bytes > min(MAX_HEADER_BYTES, size - 8):
                raise ConversionError(
                    f"{file.name} is not a safetensors file, or is truncated ({size} bytes)"
                )
            header = handle.read(header_bytes)
    except OSError as error:
        raise ConversionError(f"{file} cannot be read: {error.strerror}") from error
    try:
        entries = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        entries.pop("__metadata__", None)
        parsed = {name: msgspec.json.decode(raw, type=_Entry) for name, raw in sorted(entries.items())}
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ConversionError(f"{file.name} has a damaged safetensors header: {error}") from error
    return {name: _checked(name, entry, file, 8 + header_bytes, size) for name, entry in parsed.items()}


def read_model_index(folder: Path) -> dict[str, StoredTensor]:
    """Return the tensors of a Hugging Face model folder: `model.safetensors`, else the sharded index.

    Raises:
        ConversionError: there are no safetensors weights, or a shard is missing, damaged or incomplete.
    """
    single = folder / "model.safetensors"
    if single.is_file():
        return read_index(single)
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        raise ConversionError(
            f"{folder} has neither model.safetensors nor model.safetensors.index.json",
            hint="only safetensors weights are read; convert pickled ones with their own tool first",
        )
    try:
        weight_map = msgspec.json.decode(index.read_bytes(), type=_ShardIndex).weight_map
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ConversionError(f"{index.name} is damaged: {error}") from error
    return dict(sorted(_sharded(folder, weight_map)))


def _sharded(folder: Path, weight_map: Mapping[str, str]) -> Iterator[tuple[str, StoredTensor]]:
    for shard in sorted(set(weight_map.values())):
        if Path(shard).name != shard:
            raise ConversionError(
                f"model.safetensors.index.json names {shard!r}, which is not a file of its folder"
            )
        tensors = read_index(folder / shard)
        for name in (name for name, file in weight_map.items() if file == shard):
            if name not in tensors:
                raise ConversionError(f"{shard} lacks the tensor {name} that the index says it holds")
            yield name, tensors[name]


def _checked(name: str, entry: _Entry, file: Path, data_start: int, file_size: int) -> StoredTensor:
    """Return the entry as a tensor whose bytes are known to lie inside the file."""
    if entry.dtype not in _RAW_DTYPES:
        raise ConversionError(
            f"{name} in {file.name} has the type {entry.dtype}; only {', '.join(_RAW_DTYPES)} are converted"
        )
    begin, end = entry.data_offsets
    item_bytes = np.dtype(_RAW_DTYPES[entry.dtype]).itemsize
    if min(entry.shape, default=0) < 1:
        raise ConversionError(f"{name} in {file.name} has the shape {list(entry.shape)}")
    if begin < 0 or end - begin != prod(entry.shape) * item_bytes:
        raise ConversionError(
            f"{name} in {file.name}: shape {list(entry.shape)} of {entry.dtype} is not {end - begin} bytes"
        )
    if data_start + end > file_size:
        raise ConversionError(
            f"{file.name} is truncated: {name} ends at byte {data_start + end} of {file_size}"
        )
    return StoredTensor(
        name=name, file=file, offset=data_start + begin, dtype=entry.dtype, shape=tuple(entry.shape)
    )
