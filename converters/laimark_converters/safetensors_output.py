"""Write a safetensors file tensor by tensor: the header first, then the data as it comes.

Format: https://github.com/huggingface/safetensors, README "Format".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import msgspec
import numpy as np
from gguf.constants import GGMLQuantizationType
from numpy.typing import NDArray

from laimark_converters.encoding import encode

_SIZES = {GGMLQuantizationType.F32: 4, GGMLQuantizationType.F16: 2, GGMLQuantizationType.BF16: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeTensor:
    """One tensor to write. `blocks` yields its values in order as float32."""

    name: str
    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    """F32, F16 or BF16."""
    blocks: Callable[[], Iterator[NDArray[np.float32]]]

    @property
    def size_bytes(self) -> int:
        return prod(self.shape) * _SIZES[self.kind]


def header_bytes(tensors: Iterable[SafeTensor], *, served_types: Sequence[str]) -> bytes:
    """Return everything before the data: equal tensors, equal bytes.

    Args:
        tensors: in the order of their data.
        served_types: ggml types that the tensors had in the GGUF; kept as metadata, separated by spaces.
    """
    entries: dict[str, object] = {"__metadata__": {"format": "pt", "served_types": " ".join(served_types)}}
    offset = 0
    for tensor in tensors:
        end = offset + tensor.size_bytes
        entries[tensor.name] = {
            "dtype": tensor.kind.name,
            "shape": tensor.shape,
            "data_offsets": (offset, end),
        }
        offset = end
    content = msgspec.json.encode(entries)
    content += b" " * (-len(content) % 8)
    return len(content).to_bytes(8, "little") + content


def write_safetensors(
    file: Path,
    tensors: Sequence[SafeTensor],
    *,
    served_types: Sequence[str],
    written: Callable[[int], None],
) -> None:
    """Write all tensors to `file`; memory is that of a block.

    Args:
        file: replaced; half a file is left when something is raised.
        tensors: in the order of their data.
        served_types: see `header_bytes`.
        written: called after each block with its bytes; may raise to give up.

    Raises:
        ConversionError: a value is not finite, or does not fit the type it is stored in.
        OSError: the disk is full.
    """
    with file.open("wb") as handle:
        handle.write(header_bytes(tensors, served_types=served_types))
        for tensor in tensors:
            total = 0
            for block in tensor.blocks():
                size = handle.write(encode(tensor.name, block, tensor.kind))
                total += size
                written(size)
            assert total == tensor.size_bytes, f"{tensor.name}: {total} of {tensor.size_bytes} bytes"
