"""Merge a LoRA into a served GGUF, for runners that take no adapters.

The base's bytes are copied as they are; only tensors that carry LoRA are rewritten, at a precision that keeps the
update. Rounding back onto a 4-bit grid would lose it: an update smaller than half a step vanishes.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from gguf import quants
from gguf.constants import GGMLQuantizationType
from numpy.typing import NDArray

from laimark_converters.adapter_gguf import convert_adapter
from laimark_converters.adapter_reader import LoraPair, read_adapter_header, read_pair
from laimark_converters.atomic import replacing
from laimark_converters.byte_stream import HashedFile, copy_range, read_exactly, sha256_file, stamp
from laimark_converters.encoding import encode
from laimark_converters.errors import ConversionError
from laimark_converters.gguf_output import row_blocks
from laimark_converters.header import GgufHeader, read_header
from laimark_converters.merge_plan import MERGED_PREFIX, Rewritten, Touched, plan_merge
from laimark_converters.merged_header import merged_header, padding
from laimark_converters.merged_rows import Residual, ResidualSum, update_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What a merge wrote."""

    sha256: str
    """Of the whole file."""
    bytes: int
    """Its size."""
    base_sha256: str
    adapter_sha256: str
    """Of the adapter's GGUF."""
    residuals: Mapping[str, Residual]
    """Of each rewritten tensor, by name."""


def merge(
    base_gguf: Path, adapter: Path, out: Path, *, touched: Touched = "q8_0", scale: float = 1.0
) -> Merged:
    """Write base + scale * adapter to `out`, durable and complete when it returns; equal input, equal bytes.

    Blocks for about as long as it takes to read the base twice and write it once, plus the arithmetic. Memory is
    a few blocks of rows and one tensor's A and B, whatever the model's size. May be repeated.

    Args:
        base_gguf: the GGUF that the runner serves, of any type that gguf-py decodes.
        adapter: a LoRA GGUF (its q and k rows are in ggml's order, and its scale is folded in), or a PEFT folder.
        out: replaced as a whole, or left as it is; not the base or the adapter.
        touched: type of the rewritten tensors.
        scale: further factor on the adapter's effect; the line search's for a PEFT folder.

    Raises:
        ConversionError: the adapter does not fit the base, a type is not read, a value does not fit its type, or
            a file changed meanwhile; `out` is what it was.
        OSError: a file cannot be read or `out` cannot be written; `out` is what it was.
    """
    if not math.isfinite(scale):
        raise ConversionError(f"scale is {scale}; it must be finite")
    if out.exists() and any(out.samefile(source) for source in (base_gguf, adapter) if source.exists()):
        raise ConversionError(f"{out} would replace what it is made of", hint="name another file to write")
    if not adapter.is_dir():
        return _merge(base_gguf, adapter, out, touched, scale)
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / "adapter.gguf"
        convert_adapter(adapter, base_gguf, converted)
        return _merge(base_gguf, converted, out, touched, scale)


def _merge(base_gguf: Path, adapter: Path, out: Path, touched: Touched, scale: float) -> Merged:
    before = stamp(base_gguf), stamp(adapter)
    header, lora = read_header(base_gguf), read_adapter_header(adapter)
    origin = {"base_sha256": sha256_file(base_gguf), "adapter_sha256": sha256_file(adapter)}
    plan = plan_merge(header, lora, touched, base_sha256=origin["base_sha256"], scale=scale)
    residuals = {}
    with replacing(out) as temporary:
        with base_gguf.open("rb") as source, temporary.open("wb") as target:
            hashed = HashedFile(target)
            hashed.write(_start(header, source, plan, origin))
            for name, info in header.tensors.items():
                if name in plan:
                    residuals[name] = _rewrite(source, hashed, plan[name], read_pair(adapter, lora, name))
                else:
                    copy_range(source, info.offset, info.size_bytes, hashed)
                hashed.write(b"\0" * padding(hashed.size_bytes, header.alignment))
        if (stamp(base_gguf), stamp(adapter)) != before:
            raise ConversionError(
                f"{base_gguf.name} or {adapter.name} changed while it was read", hint="try again"
            )
    return Merged(sha256=hashed.sha256(), bytes=hashed.size_bytes, residuals=residuals, **origin)


def _start(
    header: GgufHeader, source: BinaryIO, plan: Mapping[str, Rewritten], origin: Mapping[str, str]
) -> bytes:
    source.seek(header.keys_start)
    raw_keys = read_exactly(source, header.keys_end - header.keys_start)
    stored = {name: (info.kind, info.size_bytes) for name, info in header.tensors.items()}
    stored |= {name: (tensor.kind, tensor.size_bytes) for name, tensor in plan.items()}
    added = {MERGED_PREFIX + key: value for key, value in origin.items()}
    return merged_header(header, raw_keys, added, stored)


def _rewrite(source: BinaryIO, target: HashedFile, tensor: Rewritten, pair: LoraPair) -> Residual:
    info, residual = tensor.base, ResidualSum()
    base_row_bytes = info.size_bytes // info.shape[0]
    source.seek(info.offset)
    for rows in row_blocks(info.shape[0], info.shape[1]):
        count = rows.stop - rows.start
        update = update_rows(pair, rows, tensor.scale)
        exact = update + _decode(read_exactly(source, count * base_row_bytes), info.kind, count)
        content = encode(info.name, exact.astype(np.float32), tensor.kind)
        target.write(content)
        residual.add(exact, _decode(content, tensor.kind, count), update)
    return residual.result()


def _decode(content: bytes, kind: GGMLQuantizationType, rows: int) -> NDArray[np.float32]:
    encoded = np.frombuffer(content, np.uint8).reshape(rows, -1)
    decoded: NDArray[np.float32] = quants.dequantize(encoded, kind)
    return decoded
