"""Read the header of a GGUF (keys, tensor names, shapes, types) without touching its tensor data.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little endian.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from laimark_converters.errors import ConversionError
from laimark_converters.ggml_types import GGML_QUANT_SIZES, GGMLQuantizationType
from laimark_converters.gguf_cursor import Cursor, Scalar

MAGIC = b"GGUF"
_MAX_DIMS = 4
"""GGML_MAX_DIMS."""
_LEAST_KEY_BYTES = 8 + 4 + 1
_LEAST_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8
_MAX_ALIGNMENT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """What a header says about one tensor."""

    name: str
    shape: tuple[int, ...]
    """Outermost dimension first, as numpy has it: (out, in) for a projection."""
    kind: GGMLQuantizationType
    offset: int
    """Of its first byte, from the start of the file."""
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """A GGUF's keys and tensors. Every tensor lies inside the file; arrays of text are not kept."""

    file_name: str
    version: int
    keys: Mapping[str, Scalar | tuple[Scalar, ...]]
    tensors: Mapping[str, TensorInfo]
    key_count: int
    keys_start: int
    """First byte of the keys in the file."""
    keys_end: int
    """First byte after them."""
    alignment: int
    """Of tensor data, bytes."""

    @property
    def architecture(self) -> str:
        """`general.architecture`; empty when it is missing."""
        return self.text("general.architecture")

    def text(self, key: str) -> str:
        """Return a text key; empty when it is missing or not text."""
        value = self.keys.get(key, "")
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> float | None:
        """Return a numeric key; None when it is missing or not a number."""
        value = self.keys.get(key)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def heads(self, layer: int) -> int:
        """Return the number of query heads of a layer.

        Raises:
            ConversionError: the header does not say.
        """
        return self._per_layer("attention.head_count", layer)

    def kv_heads(self, layer: int) -> int:
        """Return the number of key-value heads of a layer: as many as query heads when nothing is said."""
        if f"{self.architecture}.attention.head_count_kv" not in self.keys:
            return self.heads(layer)
        return self._per_layer("attention.head_count_kv", layer)

    def _per_layer(self, key: str, layer: int) -> int:
        value = self.keys.get(f"{self.architecture}.{key}")
        if isinstance(value, tuple):
            value = value[layer] if layer < len(value) else None
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConversionError(f"{self.file_name} does not say {self.architecture}.{key} of layer {layer}")
        return value


def read_header(path: Path) -> GgufHeader:
    """Return the header of the GGUF at `path`. Memory does not depend on the model's size.

    Raises:
        ConversionError: the file is missing, empty, not a GGUF, of an unknown version or byte order,
            truncated, damaged, or a part of a split model.
    """
    try:
        with path.open("rb") as handle:
            if handle.read(4) != MAGIC:
                raise ConversionError(
                    f"{path.name} is not a GGUF file",
                    hint="name a .gguf file, for example the one that the runner serves",
                )
            with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
                header = _read(Cursor(view, path.name), path.name, len(view))
    except OSError as error:
        raise ConversionError(f"{path} cannot be read: {error.strerror}") from error
    if (header.number("split.count") or 0) > 1:
        raise ConversionError(
            f"{path.name} is one part of a split GGUF", hint="join it with llama-gguf-split --merge"
        )
    return header


def _read(cursor: Cursor, file_name: str, file_bytes: int) -> GgufHeader:
    cursor.position = len(MAGIC)
    version = cursor.number("I")
    if version not in (2, 3):
        order = " (big endian)" if version & 0xFFFF == 0 else ""
        raise ConversionError(f"{file_name} is GGUF version {version}{order}; 2 and 3 are read")
    tensor_count = cursor.count("tensors", _LEAST_TENSOR_BYTES)
    key_count = cursor.count("keys", _LEAST_KEY_BYTES)
    keys: dict[str, Scalar | tuple[Scalar, ...]] = {}
    keys_start = cursor.position
    for _ in range(key_count):
        key, value = cursor.text(), cursor.value()
        if key in keys:
            raise cursor.damaged(f"the key {key!r} stands twice")
        if value is not None:
            keys[key] = value
    keys_end = cursor.position
    infos = [_read_tensor_info(cursor) for _ in range(tensor_count)]
    alignment = keys.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= _MAX_ALIGNMENT:
        raise cursor.damaged(f"alignment {alignment}")
    data_start = -(-cursor.position // alignment) * alignment
    tensors: dict[str, TensorInfo] = {}
    for name, shape, kind, offset in infos:
        size = _size_bytes(cursor, name, shape, kind)
        if name in tensors:
            raise cursor.damaged(f"the tensor {name!r} stands twice")
        if data_start + offset + size > file_bytes:
            raise cursor.damaged(f"{name} ends at byte {data_start + offset + size} of {file_bytes}")
        tensors[name] = TensorInfo(
            name=name, shape=shape, kind=kind, offset=data_start + offset, size_bytes=size
        )
    return GgufHeader(
        file_name=file_name,
        version=version,
        keys=keys,
        tensors=tensors,
        key_count=key_count,
        keys_start=keys_start,
        keys_end=keys_end,
        alignment=alignment,
    )


def _read_tensor_info(cursor: Cursor) -> tuple[str, tuple[int, ...], GGMLQuantizationType, int]:
    name = cursor.text()
    dims = cursor.number("I")
    if dims > _MAX_DIMS:
        raise cursor.damaged(f"{name} has {dims} dimensions")
    shape = tuple(cursor.number("Q") for _ in range(dims))[::-1]
    code = cursor.number("I")
    try:
        kind = GGMLQuantizationType(code)
    except ValueError as error:
        raise cursor.damaged(f"{name} has the unknown type {code}") from error
    return name, shape, kind, cursor.number("Q")


def _size_bytes(cursor: Cursor, name: str, shape: tuple[int, ...], kind: GGMLQuantizationType) -> int:
    block_values, block_bytes = GGML_QUANT_SIZES[kind]
    if shape and shape[-1] % block_values:
        raise cursor.damaged(f"{name} has rows of {shape[-1]} values in blocks of {block_values}")
    return prod(shape) // block_values * block_bytes
