"""The best approximation of a matrix by a product of two thin ones, and what it leaves out.

D (out, in) ~ B (out, rank) @ A (rank, in). Small matrices are decomposed exactly; large ones by randomised subspace
iteration with a fixed seed. Source: Halko, Martinsson, Tropp 2011, "Finding structure with randomness", algorithm 4.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_EXACT_UP_TO = 512
"""Shorter side of a matrix whose full decomposition takes well below a second."""
_SPARE, _ITERATIONS = 16, 3
"""Columns beyond the rank and passes over the matrix: the residual is then within a percent of the best possible."""
_BLOCK_ROWS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LowRank:
    """D ~ b @ a, the singular values shared between the two evenly."""

    a: NDArray[np.float32]
    """(rank, in)"""
    b: NDArray[np.float32]
    """(out, rank)"""
    squared_error: float
    """Of all elements of D - b @ a together."""
    squared_norm: float
    """Of all elements of D together."""


def approximate(matrix: NDArray[np.float32], rank: int) -> LowRank:
    """Return the closest product of that rank, or of the matrix's shorter side where that is less.

    Equal input gives equal output on one machine. Memory is a few times that of the matrix.

    Args:
        matrix: D (out, in), finite.
        rank: at least 1.
    """
    rank = min(rank, *matrix.shape)
    if min(matrix.shape) <= max(_EXACT_UP_TO, rank + _SPARE):
        u, s, v = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    else:
        basis = _range(matrix, rank + _SPARE)
        u, s, v = np.linalg.svd((basis.T @ matrix).astype(np.float64), full_matrices=False)
        u = basis @ u
    root = np.sqrt(s[:rank])
    b = np.ascontiguousarray(u[:, :rank] * root, np.float32)
    a = np.ascontiguousarray(root[:, None] * v[:rank], np.float32)
    squared_error = squared_norm = 0.0
    for start in range(0, len(matrix), _BLOCK_ROWS):
        rows = matrix[start : start + _BLOCK_ROWS].astype(np.float64)
        error = rows - b[start : start + _BLOCK_ROWS].astype(np.float64) @ a
        squared_norm += float(np.vdot(rows, rows))
        squared_error += float(np.vdot(error, error))
    return LowRank(a=a, b=b, squared_error=squared_error, squared_norm=squared_norm)


def _range(matrix: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Return an orthonormal basis (out, columns) of what the matrix mostly maps to."""
    random = np.random.default_rng(0)
    start = random.standard_normal((matrix.shape[1], columns)).astype(np.float32)
    basis, _ = np.linalg.qr(matrix @ start)
    for _ in range(_ITERATIONS):
        back, _ = np.linalg.qr(matrix.T @ basis)
        basis, _ = np.linalg.qr(matrix @ back)
    return basis
