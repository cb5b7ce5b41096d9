"""The bytes before a merged GGUF's tensor data: the base's own keys untouched, a few added, offsets renewed."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from gguf.constants import GGMLQuantizationType

from laimark_converters.header import MAGIC, GgufHeader

_TEXT = 8
"""The format's code of a text value."""


def merged_header(
    base: GgufHeader,
    raw_keys: bytes,
    added: Mapping[str, str],
    stored: Mapping[str, tuple[GGMLQuantizationType, int]],
) -> bytes:
    """Return everything up to the first tensor's data, padded to the base's alignment.

    Args:
        base: whose tensors are listed, in its order and with its shapes.
        raw_keys: the base's keys as they stand in its file, from `keys_start` to `keys_end`.
        added: text keys that follow them; none may be in the base.
        stored: the type and size in bytes of each tensor in the new file; data follows in the base's order,
            each tensor padded to the alignment.
    """
    parts = [
        MAGIC,
        struct.pack("<IQQ", base.version, len(base.tensors), base.key_count + len(added)),
        raw_keys,
        *(_text(key) + struct.pack("<I", _TEXT) + _text(value) for key, value in sorted(added.items())),
    ]
    offset = 0
    for name, info in base.tensors.items():
        kind, size_bytes = stored[name]
        dims = info.shape[::-1]
        parts.append(_text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset))
        offset += size_bytes + padding(size_bytes, base.alignment)
    content = b"".join(parts)
    return content + b"\0" * padding(len(content), base.alignment)


def padding(size_bytes: int, alignment: int) -> int:
    """Return how many bytes are missing to the next multiple of `alignment`."""
    return -size_bytes % alignment


def _text(text: str) -> bytes:
    content = text.encode()
    return struct.pack("<Q", len(content)) + content
