"""How an adapter changes each weight: how much, in how many directions, and whether strange ones now lead.

An update of rank 16 may use one direction or all sixteen: the effective rank says how many (Roy and Vetterli 2007: e to the
entropy of its singular values' shares of the squared norm). A direction that leads the changed weight and that the weight
itself did not have is an intruder (Shuttleworth et al. 2024, arXiv 2410.21228): models that forget have more of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laimark_converters.adapter_reader import HALVES, LoraPair, read_adapter_header, read_alpha, read_pair
from laimark_converters.dequantise import row_blocks
from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader, read_header
from laimark_converters.low_rank import approximate

LEADING = 10
"""Directions of the changed weight that are looked at."""
_KNOWN = 4 * LEADING
"""Directions of the weight itself that they are compared with: what led may have fallen behind a little."""
SIMILAR = 0.6
"""Cosine below which a leading direction is an intruder (the paper's epsilon)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerHealth:
    """One weight under an adapter."""

    tensor: str
    norm: float
    """Frobenius norm of what is added."""
    effective_rank: float
    """Between 1 and the adapter's rank; 0 where nothing is added."""
    relative: float | None = None
    """Norm of what is added / norm of the weight; None where the base was not read."""
    intruders: int | None = None
    """Of the `LEADING` directions; None where the base was not read."""


def update_health(adapter: Path, base: Path | None = None) -> tuple[LayerHealth, ...]:
    """Look at every weight that a GGUF adapter changes.

    Of the adapter alone only matrices as small as its rank are decomposed. With the base, each weight is read in turn and its
    leading directions are found with and without the update: memory is a few times the largest weight as float32, and
    time about `20 * LEADING` passes over all of them (minutes for 8 billion parameters, on a CPU).

    Raises:
        ConversionError: a file is damaged, is no LoRA, does not fit the base, or holds a type that is not decoded here.
    """
    header = read_adapter_header(adapter)
    names = sorted(
        name.removesuffix(half) for name in header.tensors for half in HALVES[:1] if name.endswith(half)
    )
    of_base = read_header(base) if base else None
    return tuple(_layer(adapter, header, name, base, of_base) for name in names)


def effective_rank(singular: NDArray[np.float64]) -> float:
    """Return e to the entropy of the squares' shares; 0 of nothing."""
    squares = singular**2
    total = float(squares.sum())
    if total == 0.0:
        return 0.0
    shares = squares[squares > 0] / total
    return math.exp(float(-(shares * np.log(shares)).sum()))


def intruders(weight: NDArray[np.float32], changed: NDArray[np.float32]) -> int:
    """Return how many of the leading left directions of `changed` (out, in) are like none of those of `weight`."""
    leading, known = _directions(changed, LEADING), _directions(weight, _KNOWN)
    nearest = np.abs(leading.T @ known).max(axis=1)
    return int((nearest < SIMILAR).sum())


def _layer(
    adapter: Path, header: GgufHeader, name: str, base: Path | None, of_base: GgufHeader | None
) -> LayerHealth:
    pair = read_pair(adapter, header, name)
    scale = read_alpha(header) / pair.rank
    singular = _singular(pair, scale)
    found = LayerHealth(
        tensor=name, norm=float(np.linalg.norm(singular)), effective_rank=effective_rank(singular)
    )
    if base is None or of_base is None:
        return found
    weight = _weight(base, of_base, name, pair)
    changed = weight + np.float32(scale) * (pair.b @ pair.a)
    return LayerHealth(
        tensor=name,
        norm=found.norm,
        effective_rank=found.effective_rank,
        relative=found.norm / max(float(np.linalg.norm(weight)), 1e-30),
        intruders=intruders(weight, changed),
    )


def _singular(pair: LoraPair, scale: float) -> NDArray[np.float64]:
    """Return the singular values of scale * b @ a, from two thin QR decompositions and a small SVD."""
    _, left = np.linalg.qr(pair.b.astype(np.float64))
    _, right = np.linalg.qr(pair.a.astype(np.float64).T)
    values: NDArray[np.float64] = np.linalg.svd(scale * left @ right.T, compute_uv=False)
    return values


def _weight(base: Path, header: GgufHeader, name: str, pair: LoraPair) -> NDArray[np.float32]:
    tensor = header.tensors.get(name)
    wanted = (pair.b.shape[0], pair.a.shape[1])
    if tensor is None or tensor.shape != wanted:
        there = "is missing" if tensor is None else f"is {tensor.shape}"
        raise ConversionError(
            f"the adapter does not fit the base: {name} {there}, and the adapter changes {wanted}"
        )
    return np.concatenate(list(row_blocks(base, tensor)))


def _directions(matrix: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """Return the leading left singular vectors (out, count) of a matrix, of unit length."""
    columns = approximate(matrix, count).b.astype(np.float64)
    lengths = np.linalg.norm(columns, axis=0)
    return columns / np.where(lengths > 0, lengths, 1.0)
