"""Write a base's GGUF again with some of its tensors changed: bytes are copied, changed rows streamed and hashed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
from gguf import quants
from numpy.typing import NDArray

from laimark_converters.atomic import replacing
from laimark_converters.base_fit import MERGED_PREFIX
from laimark_converters.byte_stream import HashedFile, copy_range, read_exactly, stamp
from laimark_converters.encoding import encode
from laimark_converters.errors import ConversionError
from laimark_converters.ggml_types import GGMLQuantizationType
from laimark_converters.gguf_header import padding
from laimark_converters.gguf_output import row_blocks
from laimark_converters.header import GgufHeader, TensorInfo
from laimark_converters.merge_plan import Rewritten
from laimark_converters.merged_header import merged_header
from laimark_converters.merged_rows import Residual, ResidualSum, RowUpdate


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What a merge wrote."""

    sha256: str
    """Of the whole file."""
    bytes: int
    """Its size."""
    base_sha256: str
    adapter_sha256: str
    """Of the adapter's GGUF; of a DoRA or IA3, which has none, over its configuration and then its weights."""
    residuals: Mapping[str, Residual]
    """Of each rewritten tensor, by name."""
    of_update: float
    """`Residual.of_update` of all of them together: the share of the update that was lost to rounding."""


class Sources:
    """The files a merge reads, which nobody may change before it ends.

    Args:
        files: looked at now; a file whose inode, size or time differs later was changed.
    """

    def __init__(self, *files: Path) -> None:
        self._stamps = {file: stamp(file) for file in files}

    def check_unchanged(self) -> None:
        """Do nothing while all files are what they were.

        Raises:
            ConversionError: one was replaced or written to.
        """
        for file, before in self._stamps.items():
            if stamp(file) != before:
                raise ConversionError(f"{file.name} changed while it was read", hint="try again")


def write_merged(
    base_gguf: Path,
    header: GgufHeader,
    plan: Mapping[str, Rewritten],
    updates: Callable[[str], RowUpdate],
    *,
    origin: Mapping[str, str],
    sources: Sources,
    out: Path,
    progress: Callable[[float], None] = lambda _share: None,
) -> Merged:
    """Write base + updates to `out`, durable and complete when it returns; memory is a few blocks of rows.

    Args:
        base_gguf: the base.
        header: of it.
        plan: name -> how the tensor is rewritten; all others are copied.
        updates: called with a name when that tensor's turn comes.
        origin: `base_sha256` and `adapter_sha256`, written as keys.
        sources: checked before `out` is replaced.
        out: replaced as a whole, or left as it is.
        progress: called with the share written, 0 to 1; may raise to give up.

    Raises:
        ConversionError: a value does not fit its type, or a file changed meanwhile; `out` is what it was.
        OSError: a file cannot be read or `out` cannot be written; `out` is what it was.
    """
    residuals: dict[str, ResidualSum] = {}
    sizes = {
        name: plan[name].size_bytes if name in plan else header.tensors[name].size_bytes
        for name in header.tensors
    }
    total, done = max(1, sum(sizes.values())), 0
    with replacing(out) as temporary:
        with base_gguf.open("rb") as source, temporary.open("wb") as target:
            hashed = HashedFile(target)
            hashed.write(_start(header, source, plan, origin))
            for name, info in header.tensors.items():
                if name in plan:
                    residuals[name] = _rewrite(source, hashed, plan[name], updates(name))
                else:
                    copy_range(source, info.offset, info.size_bytes, hashed)
                hashed.write(b"\0" * padding(hashed.size_bytes, header.alignment))
                done += sizes[name]
                progress(done / total)
        sources.check_unchanged()
    return Merged(
        sha256=hashed.sha256(),
        bytes=hashed.size_bytes,
        residuals={name: residual.result() for name, residual in residuals.items()},
        of_update=ResidualSum.of_update(residuals.values()),
        **origin,
    )


def decoded_rows(source: BinaryIO, info: TensorInfo, count: int) -> NDArray[np.float32]:
    """Read the next `count` rows of a tensor from where `source` stands; a vector is one row."""
    row_bytes = info.size_bytes // prod(info.shape[:-1])
    return _decode(read_exactly(source, count * row_bytes), info.kind, count)


def _start(
    header: GgufHeader, source: BinaryIO, plan: Mapping[str, Rewritten], origin: Mapping[str, str]
) -> bytes:
    source.seek(header.keys_start)
    raw_keys = read_exactly(source, header.keys_end - header.keys_start)
    stored = {name: (info.kind, info.size_bytes) for name, info in header.tensors.items()}
    stored |= {name: (tensor.kind, tensor.size_bytes) for name, tensor in plan.items()}
    added = {MERGED_PREFIX + key: value for key, value in origin.items()}
    return merged_header(header, raw_keys, added, stored)


def _rewrite(source: BinaryIO, target: HashedFile, tensor: Rewritten, update_of: RowUpdate) -> ResidualSum:
    info, residual = tensor.base, ResidualSum()
    source.seek(info.offset)
    for rows in row_blocks(prod(info.shape[:-1]), info.shape[-1]):
        count = rows.stop - rows.start
        base = decoded_rows(source, info, count)
        update = update_of(rows, base)
        update *= tensor.scale
        exact = base + update
        with np.errstate(over="ignore"):  # what overflows is refused when encoded
            rounded = exact.astype(np.float32)
        content = encode(info.name, rounded, tensor.kind)
        target.write(content)
        residual.add(exact, _decode(content, tensor.kind, count), update)
    return residual


def _decode(content: bytes, kind: GGMLQuantizationType, rows: int) -> NDArray[np.float32]:
    encoded = np.frombuffer(content, np.uint8).reshape(rows, -1)
    decoded: NDArray[np.float32] = quants.dequantize(encoded, kind)
    return decoded
