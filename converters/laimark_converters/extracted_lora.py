"""Make a LoRA of an adapter that is none: the closest update of a given rank, and what it leaves out.

A DoRA or IA3 changes a weight in every direction, so no LoRA is the same; a runner that takes adapters then serves
most of it without a merged model. Where too much is left out, nothing is written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laimark_converters.adapter_output import NO_METADATA, write_adapter
from laimark_converters.base_fit import check_model
from laimark_converters.errors import ConversionError
from laimark_converters.gguf_output import Dtype, OutputTensor, row_blocks, storable
from laimark_converters.header import TensorInfo, read_header
from laimark_converters.low_rank import LowRank, approximate
from laimark_converters.merged_rows import RowUpdate
from laimark_converters.merged_writer import decoded_rows
from laimark_converters.weight_changes import read_changes

MOST_RESIDUAL = 0.1
"""Of the update's size: beyond it the extracted adapter is another one than was trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """What an extraction wrote."""

    tensors: int
    """A and B counted each."""
    bytes: int
    """Size of the file."""
    rank: int
    residuals: Mapping[str, float]
    """Of each tensor of the base by name: Frobenius norm of what is left out / that of the exact update."""
    residual: float
    """The same over all tensors together. Rounding to the type of the file comes on top of both."""


def extract_lora(
    adapter_dir: Path,
    base_gguf: Path,
    out: Path,
    *,
    rank: int = 32,
    most_residual: float = MOST_RESIDUAL,
    scale: float = 1.0,
    dtype: Dtype = "f32",
    metadata: Mapping[str, str] = NO_METADATA,
) -> Extracted:
    """Write the LoRA of that rank that is closest to the adapter's update of the served weights.

    Blocks for a singular value decomposition of each tensor; memory is a few times the largest of them as float32.
    Equal input, equal bytes on one machine.

    Args:
        adapter_dir: PEFT folder of a DoRA or an IA3.
        base_gguf: the GGUF that the runner serves; its weights decide the update.
        out: replaced as a whole, or left as it is.
        rank: of the LoRA.
        most_residual: what may be left out over all tensors; 1 takes any.
        scale: factor on the adapter's effect, not 0.
        dtype: of A and B.
        metadata: text keys, as of `convert_adapter`.

    Raises:
        ConversionError: the adapter does not fit the base, scales biases, or more than `most_residual` is left out;
            `out` is what it was.
        OSError: a file cannot be read or `out` cannot be written; `out` is what it was.
    """
    if rank < 1 or not math.isfinite(scale) or not scale:
        raise ConversionError(
            f"rank is {rank}, scale is {scale}; they must be at least 1, and finite and not 0"
        )
    header = read_header(base_gguf)
    check_model(header)
    found = {}
    for name, load in sorted(read_changes(adapter_dir, header).items()):
        if len(header.tensors[name].shape) < 2:
            raise ConversionError(
                f"the adapter scales {name}, which no LoRA can", hint="merge it into the base instead"
            )
        found[name] = approximate(_update(base_gguf, header.tensors[name], load(), scale), rank)
    residual = _ratio(list(found.values()))
    if residual > most_residual:
        raise ConversionError(
            f"rank {rank} leaves out {residual:.0%} of the adapter's update; at most {most_residual:.0%} may be",
            hint="choose a higher rank, or merge it into the base instead",
        )
    tensors = [tensor for name, pair in found.items() for tensor in _outputs(name, pair, rank, dtype)]
    size = write_adapter(out, tensors, architecture=header.architecture, alpha=float(rank), metadata=metadata)
    return Extracted(
        tensors=len(tensors),
        bytes=size,
        rank=max(len(pair.a) for pair in found.values()),
        residuals={name: _ratio([pair]) for name, pair in found.items()},
        residual=residual,
    )


def _update(base_gguf: Path, info: TensorInfo, update_of: RowUpdate, scale: float) -> NDArray[np.float32]:
    """Return the whole update of one tensor (out, in)."""
    update = np.empty(info.shape, np.float32)
    with base_gguf.open("rb") as source:
        source.seek(info.offset)
        for rows in row_blocks(*info.shape):
            block = update_of(rows, decoded_rows(source, info, rows.stop - rows.start))
            with np.errstate(over="ignore"):
                update[rows] = scale * block
    if not np.isfinite(update).all():
        raise ConversionError(f"the update of {info.name} is too large")
    return update


def _ratio(pairs: list[LowRank]) -> float:
    norm = sum(pair.squared_norm for pair in pairs)
    return math.sqrt(sum(pair.squared_error for pair in pairs) / norm) if norm else 0.0


def _outputs(name: str, pair: LowRank, alpha: int, dtype: Dtype) -> list[OutputTensor]:
    # The runner multiplies by alpha/rank; where a matrix is too small for the rank that is not 1.
    b = pair.b * np.float32(len(pair.a) / alpha)
    return [_output(f"{name}.lora_a", pair.a, dtype), _output(f"{name}.lora_b", b, dtype)]


def _output(name: str, values: NDArray[np.float32], dtype: Dtype) -> OutputTensor:
    kind = storable(values.shape, dtype)
    return OutputTensor(name=name, shape=values.shape, dtype=kind, blocks=lambda: iter([values]))
