"""The reordering of q and k rows, and Llama 3's frequency factors."""

from __future__ import annotations

from math import pi
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def permute_rows(rows: NDArray[Scalar], heads: int) -> NDArray[Scalar]:
    """Reorder the rows of a q or k projection from Hugging Face's halves to ggml's neighbouring pairs.

    Row `h*d + half*d/2 + i` moves to `h*d + 2*i + half` for head size `d`: works on W (out, in), on a bias
    (out,) and on LoRA's B (out, rank) alike. Source: llama.cpp `conversion/llama.py` `LlamaModel.permute`.
    """
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def unpermute_rows(rows: NDArray[Scalar], heads: int) -> NDArray[Scalar]:
    """Undo `permute_rows` exactly."""
    pairs = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def llama3_factors(
    *, head_dim: int, theta: float, factor: float, low: float, high: float, original_context: int
) -> NDArray[np.float32]:
    """Return the divisors (head_dim/2,) of the rotary frequencies for Llama 3's scaling.

    Wavelengths shorter than `original_context/high` keep 1, longer than `original_context/low` get `factor`,
    those between are blended. Source: llama.cpp `conversion/llama.py` `generate_extra_tensors`.
    """
    exponents: NDArray[Any] = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    wavelengths = 2 * pi * np.power(theta, exponents.astype(np.float64))
    smooth = (original_context / wavelengths - low) / (high - low)
    blended = 1 / ((1 - smooth) / factor + smooth)
    factors = np.where(
        wavelengths < original_context / high,
        1.0,
        np.where(wavelengths > original_context / low, factor, blended),
    )
    return factors.astype(np.float32)
