"""How large two adapters' weight updates are, and how far apart, layer by layer, without ever building one.

Of D = s·B·A only inner products are needed: <D1, D2> = s1·s2·Σ[(B1ᵀB2) ∘ (A1A2ᵀ)], of matrices as small as the ranks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from laimark_converters.adapter_reader import (
    HALVES,
    LoraPair,
    read_adapter_header,
    read_alpha,
    read_pair,
)
from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDistance:
    """One tensor of the base under two adapters. Norms are Frobenius norms of what is added to its weights."""

    tensor: str
    norm_a: float
    norm_b: float
    distance: float
    """Norm of the difference."""
    cosine: float
    """Of the angle between the two updates; 0 where either is zero."""


def update_distances(a: Path | None, b: Path | None) -> tuple[LayerDistance, ...]:
    """Compare two GGUF adapters of one base; None is the base, whose updates are zero.

    Holds one tensor's halves of both at a time.

    Raises:
        ConversionError: a file is damaged or no LoRA adapter, or the two were made for bases of other shapes.
    """
    headers = tuple(read_adapter_header(path) if path else None for path in (a, b))
    names = sorted({name for header in headers if header for name in _tensors(header)})
    return tuple(_distance(name, _pair(a, headers[0], name), _pair(b, headers[1], name)) for name in names)


def _tensors(header: GgufHeader) -> set[str]:
    return {name.removesuffix(half) for name in header.tensors for half in HALVES if name.endswith(half)}


def _pair(path: Path | None, header: GgufHeader | None, name: str) -> tuple[float, LoraPair] | None:
    if path is None or header is None or name not in _tensors(header):
        return None
    pair = read_pair(path, header, name)
    return read_alpha(header) / pair.rank, pair


def _distance(
    name: str, one: tuple[float, LoraPair] | None, other: tuple[float, LoraPair] | None
) -> LayerDistance:
    square_a, square_b = _inner(name, one, one), _inner(name, other, other)
    inner = _inner(name, one, other)
    norm_a, norm_b = math.sqrt(max(square_a, 0.0)), math.sqrt(max(square_b, 0.0))
    return LayerDistance(
        tensor=name,
        norm_a=norm_a,
        norm_b=norm_b,
        # Rounding must not make a root of a negative number where the two are equal.
        distance=math.sqrt(max(square_a + square_b - 2.0 * inner, 0.0)),
        cosine=inner / (norm_a * norm_b) if norm_a and norm_b else 0.0,
    )


def _inner(name: str, one: tuple[float, LoraPair] | None, other: tuple[float, LoraPair] | None) -> float:
    if one is None or other is None:
        return 0.0
    (scale_a, a), (scale_b, b) = one, other
    if a.a.shape[1] != b.a.shape[1] or a.b.shape[0] != b.b.shape[0]:
        raise ConversionError(
            f"the adapters were made for other bases: {name} is {a.b.shape[0]} x {a.a.shape[1]} in one, "
            f"{b.b.shape[0]} x {b.a.shape[1]} in the other"
        )
    left = a.b.astype(np.float64).T @ b.b.astype(np.float64)
    right = a.a.astype(np.float64) @ b.a.astype(np.float64).T
    return float(scale_a * scale_b * np.sum(left * right))
