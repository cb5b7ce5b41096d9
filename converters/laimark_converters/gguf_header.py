"""The bytes of a GGUF before its tensor data: magic, keys and the table of tensors. Equal input, equal bytes.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little endian.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from laimark_converters.ggml_types import GGMLQuantizationType
from laimark_converters.header import MAGIC

VERSION = 3
ALIGNMENT = 32
"""Of tensor data in a file that does not say otherwise, bytes."""
_UINT32, _FLOAT32, _TEXT = 4, 6, 8
"""The format's codes of value types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One tensor in the table."""

    name: str
    shape: tuple[int, ...]
    """Outermost dimension first."""
    kind: GGMLQuantizationType
    size_bytes: int


def file_start(
    keys: bytes,
    key_count: int,
    tensors: Sequence[Listed],
    *,
    version: int = VERSION,
    alignment: int = ALIGNMENT,
) -> bytes:
    """Return everything up to the first tensor's data, padded to `alignment`.

    Args:
        keys: encoded, `key_count` of them.
        key_count: their number.
        tensors: in the order of their data, each padded to `alignment`.
        version: 2 or 3, which differ in nothing that is written here.
        alignment: of tensor data, bytes; where it is not 32 the keys must say so.
    """
    parts = [MAGIC, struct.pack("<IQQ", version, len(tensors), key_count), keys]
    offset = 0
    for tensor in tensors:
        dims = tensor.shape[::-1]
        place = struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, tensor.kind, offset)
        parts.append(_text(tensor.name) + place)
        offset += tensor.size_bytes + padding(tensor.size_bytes, alignment)
    content = b"".join(parts)
    return content + b"\0" * padding(len(content), alignment)


def encoded_keys(keys: Mapping[str, str | int | float]) -> bytes:
    """Return keys in their order: a text as text, an int as uint32, a float as float32."""
    return b"".join(_text(key) + _value(value) for key, value in keys.items())


def padding(size_bytes: int, alignment: int) -> int:
    """Return how many bytes are missing to the next multiple of `alignment`."""
    return -size_bytes % alignment


def _value(value: str | float) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _TEXT) + _text(value)
    if isinstance(value, int):
        return struct.pack("<II", _UINT32, value)
    return struct.pack("<If", _FLOAT32, value)


def _text(text: str) -> bytes:
    content = text.encode()
    return struct.pack("<Q", len(content)) + content
