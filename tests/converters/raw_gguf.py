"""A GGUF put together byte by byte, so that each part of it can be wrong."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

UINT32, FLOAT32, TEXT, UINT64, FLOAT64 = 4, 6, 8, 10, 12
"""The format's codes of value types."""
F32, F16, Q4_0, Q8_0, I32 = 0, 1, 2, 8, 26
"""ggml's codes of tensor types."""


def text(value: str) -> bytes:
    content = value.encode()
    return struct.pack("<Q", len(content)) + content


@dataclass(kw_only=True)
class RawTensor:
    name: str
    dims: tuple[int, ...]
    """Innermost first, as the file has them."""
    kind: int = F32
    data: bytes = field(default=b"", repr=False)
    offset: int | None = None
    """None puts it where its data lies."""


@dataclass(kw_only=True)
class RawGguf:
    keys: dict[str, tuple[int, bytes]]
    """Name -> code of the type and encoded value."""
    tensors: list[RawTensor]
    magic: bytes = b"GGUF"
    version: int = 3
    tensor_count: int | None = None
    """None tells the truth."""
    key_count: int | None = None
    tail: bytes = field(default=b"")

    def encode(self) -> bytes:
        counted = len(self.tensors) if self.tensor_count is None else self.tensor_count
        keyed = len(self.keys) if self.key_count is None else self.key_count
        head = self.magic + struct.pack("<IQQ", self.version, counted, keyed)
        head += b"".join(
            text(name) + struct.pack("<I", code) + value for name, (code, value) in self.keys.items()
        )
        data = b""
        for tensor in self.tensors:
            offset = len(data) if tensor.offset is None else tensor.offset
            head += text(tensor.name) + struct.pack(f"<I{len(tensor.dims)}Q", len(tensor.dims), *tensor.dims)
            head += struct.pack("<IQ", tensor.kind, offset)
            data += tensor.data + b"\0" * (-len(tensor.data) % 32)
        return head + b"\0" * (-len(head) % 32) + data + self.tail

    def write(self, file: Path) -> Path:
        file.write_bytes(self.encode())
        return file


def tensor(name: str, values: NDArray[np.float32]) -> RawTensor:
    return RawTensor(name=name, dims=values.shape[::-1], data=values.tobytes())


def adapter(shapes: dict[str, tuple[int, int]], rank: int = 4) -> RawGguf:
    """Return a good LoRA for tensors of these (out, in) shapes."""
    random, tensors = np.random.default_rng(0), []
    for name, (out, into) in shapes.items():
        tensors.append(tensor(f"{name}.lora_a", random.standard_normal((rank, into)).astype(np.float32)))
        tensors.append(tensor(f"{name}.lora_b", random.standard_normal((out, rank)).astype(np.float32)))
    keys = {
        "general.architecture": (TEXT, text("llama")),
        "general.type": (TEXT, text("adapter")),
        "adapter.type": (TEXT, text("lora")),
        "adapter.lora.alpha": (FLOAT32, struct.pack("<f", 8.0)),
    }
    return RawGguf(keys=keys, tensors=tensors)
