"""What a LoRA adds to a block of rows, and how far a stored block is from the exact sum."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from laimark_converters.adapter_reader import LoraPair


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """How a tensor that was rounded to its type differs from the exact sum; all are ratios, 0 is exact."""

    max_relative: float
    """Largest difference / largest exact value."""
    mean_relative: float
    """Mean absolute difference / mean absolute exact value."""
    of_update: float
    """Root mean square of the difference / that of the update s*B@A; from 1 on rounding outweighs what was learned."""


RowUpdate = Callable[[slice, NDArray[np.float32]], NDArray[np.float64]]
"""(rows, their values in the base, (rows, in)) -> what is added to them, in memory of its own."""


def lora_update(pair: LoraPair) -> RowUpdate:
    """Return the update B @ A, in float64: the sum then costs one rounding and not two."""
    a = pair.a.astype(np.float64)

    def update(rows: slice, _: NDArray[np.float32]) -> NDArray[np.float64]:
        product: NDArray[np.float64] = pair.b[rows].astype(np.float64) @ a
        return product

    return update


class ResidualSum:
    """Adds up the residual of one tensor block by block; memory stays that of a block."""

    def __init__(self) -> None:
        self._largest_error = self._largest = 0.0
        self._error = self._magnitude = 0.0
        self._squared_error = self._squared_update = 0.0

    def add(
        self, exact: NDArray[np.float64], stored: NDArray[np.float32], update: NDArray[np.float64]
    ) -> None:
        """Count one block: the exact sum, what its bytes decode to, and the update that is in it."""
        error, magnitude = np.abs(stored - exact), np.abs(exact)
        self._largest_error = max(self._largest_error, float(error.max()))
        self._largest = max(self._largest, float(magnitude.max()))
        self._error += float(error.sum())
        self._magnitude += float(magnitude.sum())
        self._squared_error += float(np.vdot(error, error))
        self._squared_update += float(np.vdot(update, update))

    def result(self) -> Residual:
        """Return the ratios over all blocks so far."""
        return Residual(
            max_relative=_ratio(self._largest_error, self._largest),
            mean_relative=_ratio(self._error, self._magnitude),
            of_update=math.sqrt(_ratio(self._squared_error, self._squared_update)),
        )

    @staticmethod
    def of_update(sums: Iterable[ResidualSum]) -> float:
        """Return `Residual.of_update` of several tensors together."""
        error, update = 0.0, 0.0
        for one in sums:
            error, update = error + one._squared_error, update + one._squared_update
        return math.sqrt(_ratio(error, update))


def _ratio(error: float, reference: float) -> float:
    if reference:
        return error / reference
    return math.inf if error else 0.0
