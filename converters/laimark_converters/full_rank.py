"""Serve an adapter that is no LoRA as one of full rank: D = I @ D, or D @ I, so nothing of its update is left out.

A DoRA or IA3 changes weights in every direction, and runners take LoRAs beside a base. What this writes is as large as the
weights it changes, as a merged model is, but loads beside the base, switches with the request, and is the more exact: a
merged weight rounds W + D, of which D is a percent; here D itself is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from laimark_converters.adapter_output import NO_METADATA, write_adapter
from laimark_converters.architectures import for_gguf
from laimark_converters.base_fit import check_model, check_readable
from laimark_converters.errors import ConversionError
from laimark_converters.gguf_output import OutputTensor, row_blocks
from laimark_converters.header import GgufHeader, TensorInfo, read_header
from laimark_converters.merged_rows import ResidualSum, RowUpdate
from laimark_converters.merged_writer import decoded_rows
from laimark_converters.weight_changes import read_changes

Stored = Literal["f32", "f16"]
_BYTES: Mapping[Stored, int] = {"f32": 4, "f16": 2}
_IA3 = ("k_proj", "v_proj", "down_proj")
_BIASED = ("attn_k", "attn_v")
_ALPHA = 1.0
"""A runner multiplies by alpha/rank; ranks differ from tensor to tensor, so D is written times its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FullRank:
    """What was written."""

    tensors: int
    """A and B counted each."""
    bytes: int
    """Size of the file."""
    residual: float
    """Frobenius norm of what rounding left out / that of the exact update, over all tensors together."""


def write_full_rank(
    adapter_dir: Path,
    base_gguf: Path,
    out: Path,
    *,
    scale: float = 1.0,
    dtype: Stored = "f16",
    metadata: Mapping[str, str] = NO_METADATA,
) -> FullRank:
    """Write the whole update of the served weights, durable and complete when it returns; equal input, equal bytes.

    Memory is a few blocks of rows and one tensor's factors, whatever the model's size.

    Args:
        adapter_dir: PEFT folder of a DoRA or an IA3.
        base_gguf: the GGUF that the runner serves; its weights decide the update.
        out: replaced as a whole, or left as it is.
        scale: factor on the update, not 0; the line search's.
        dtype: of A and B.
        metadata: text keys, as of `convert_adapter`.

    Raises:
        ConversionError: the adapter does not fit the base, scales biases, or holds values that are not finite; `out`
            is what it was.
        OSError: a file cannot be read or `out` cannot be written; `out` is what it was.
    """
    if not math.isfinite(scale) or not scale:
        raise ConversionError(
            f"scale is {scale}; it must be finite, and 0 would leave nothing of the adapter"
        )
    header = read_header(base_gguf)
    check_model(header)
    sums: list[ResidualSum] = []
    tensors: list[OutputTensor] = []
    for name, load in sorted(read_changes(adapter_dir, header).items()):
        info = header.tensors[name]
        if len(info.shape) < 2:
            raise ConversionError(f"the adapter scales {name}, which no LoRA can", hint=_NO_BIAS)
        sums.append(ResidualSum())
        blocks = _update(base_gguf, info, load, scale, dtype, sums[-1])
        tensors += _halves(name, info, blocks, dtype)
    size = write_adapter(out, tensors, architecture=header.architecture, alpha=_ALPHA, metadata=metadata)
    return FullRank(tensors=len(tensors), bytes=size, residual=ResidualSum.of_update(sums))


_NO_BIAS = 'train another kind: "lora", "rslora" or "dora"'


def full_rank_bytes(base: GgufHeader, kind: Literal["dora", "ia3"], *, dtype: Stored = "f16") -> int:
    """Return how large an adapter of all layers becomes, by the base's header alone.

    Raises:
        ConversionError: the base has no layers for such an adapter, or they could not be served; says why.
    """
    check_model(base)
    architecture = for_gguf(base.architecture)
    leaves = {path.rpartition(".")[2]: name for path, name in architecture.projections.items()}
    if kind == "ia3":
        if lacking := [leaf for leaf in _IA3 if leaf not in leaves]:
            raise ConversionError(
                f"an IA3 scales {', '.join(_IA3)}, and {base.architecture} has no {' and no '.join(lacking)} of its own",
                hint=_NO_BIAS,
            )
        leaves = {leaf: leaves[leaf] for leaf in _IA3}
        for name in _BIASED:
            if f"blk.0.{name}.bias" in base.tensors:
                raise ConversionError(
                    f"an IA3 scales blk.0.{name}.bias of {base.file_name} too, which no LoRA can",
                    hint=_NO_BIAS,
                )
    wanted = {f"{name}.weight" for name in leaves.values()}
    found = [info for key, info in base.tensors.items() if key.split(".", 2)[-1] in wanted]
    for info in found:
        check_readable(info, base)
    return _BYTES[dtype] * sum(prod(info.shape) + min(info.shape) ** 2 for info in found)


def _update(
    base_gguf: Path,
    info: TensorInfo,
    load: Callable[[], RowUpdate],
    scale: float,
    dtype: Stored,
    rounded_away: ResidualSum,
) -> Callable[[], Iterator[NDArray[np.float32]]]:
    """Return what yields D times its rank, row by row."""
    factor = scale * min(info.shape) / _ALPHA

    def blocks() -> Iterator[NDArray[np.float32]]:
        update_of = load()
        with base_gguf.open("rb") as source:
            source.seek(info.offset)
            for rows in row_blocks(*info.shape):
                exact = factor * update_of(rows, decoded_rows(source, info, rows.stop - rows.start))
                with np.errstate(over="ignore"):  # what overflows is refused when encoded
                    values = exact.astype(np.float32)
                    kept = values if dtype == "f32" else values.astype(np.float16).astype(np.float32)
                rounded_away.add(exact, kept, exact)
                yield values

    return blocks


def _halves(
    name: str, info: TensorInfo, update: Callable[[], Iterator[NDArray[np.float32]]], dtype: Stored
) -> tuple[OutputTensor, OutputTensor]:
    out, into = info.shape
    rank = min(out, into)

    def identity() -> Iterator[NDArray[np.float32]]:
        for rows in row_blocks(rank, rank):
            yield np.eye(rows.stop - rows.start, rank, rows.start, dtype=np.float32)

    a, b = (update, identity) if out <= into else (identity, update)
    return (
        OutputTensor(name=f"{name}.lora_a", shape=(rank, into), dtype=dtype, blocks=a),
        OutputTensor(name=f"{name}.lora_b", shape=(out, rank), dtype=dtype, blocks=b),
    )
