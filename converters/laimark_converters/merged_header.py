"""The bytes before a merged GGUF's tensor data: the base's own keys untouched, a few added, offsets renewed."""

from __future__ import annotations

from collections.abc import Mapping

from laimark_converters.ggml_types import GGMLQuantizationType
from laimark_converters.gguf_header import Listed, encoded_keys, file_start
from laimark_converters.header import GgufHeader


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
    return file_start(
        raw_keys + encoded_keys(dict(sorted(added.items()))),
        base.key_count + len(added),
        [
            Listed(name=name, shape=info.shape, kind=stored[name][0], size_bytes=stored[name][1])
            for name, info in base.tensors.items()
        ],
        version=base.version,
        alignment=base.alignment,
    )
