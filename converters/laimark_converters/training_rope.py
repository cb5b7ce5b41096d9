"""The rotary embedding of a served model as transformers' `rope_parameters`: everything its own GGUF reader loses.

Llama 3's scaling is stored as a tensor of divisors only; its parameters are solved for and must give the very divisors.
Source of what the keys mean: llama.cpp `src/llama-model.cpp` `load_hparams`, `src/llama-context.cpp` (yarn's factors).
"""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from laimark_converters.errors import ConversionError
from laimark_converters.gguf_keys import ArchitectureKeys
from laimark_converters.rotary import llama3_factors
from laimark_converters.training_families import HINT

Rope = dict[str, Any]
_TOLERANCE = 1e-5
"""Relative; float32 rounding of the writer's arithmetic is below 1e-6, a wrong parameter far above."""


def keyed_rope(keys: ArchitectureKeys, *, theta: float, context: int) -> Rope:
    """Return the parameters that the keys alone give: none, linear or yarn.

    Args:
        keys: of the served base.
        theta: base of the frequencies.
        context: trained length in tokens.

    Raises:
        ConversionError: the scaling is of another kind.
    """
    kind = keys.text("rope.scaling.type") or "linear"
    factor = keys.real("rope.scaling.factor", keys.real("rope.scale_linear", 0.0)) or 1.0
    if keys.real("rope.scaling.yarn_log_multiplier", 0.0):
        raise ConversionError("the key rope.scaling.yarn_log_multiplier is not understood here", hint=HINT)
    if kind == "none" or (kind == "linear" and factor == 1.0):
        return {"rope_type": "default", "rope_theta": theta}
    if kind == "linear":
        return {"rope_type": "linear", "rope_theta": theta, "factor": factor}
    if kind != "yarn":
        raise ConversionError(f"the scaling of the rotary embedding is of the kind {kind!r}", hint=HINT)
    return {
        "rope_type": "yarn",
        "rope_theta": theta,
        "factor": factor,
        "original_max_position_embeddings": keys.whole("rope.scaling.original_context_length", context),
        # ggml multiplies by 1 + 0.1 ln(factor) itself; transformers only where it is told nothing.
        "attention_factor": keys.real("rope.scaling.attn_factor", 1.0) * (1.0 + 0.1 * log(max(factor, 1.0))),
        "beta_fast": keys.real("rope.scaling.yarn_beta_fast", 32.0),
        "beta_slow": keys.real("rope.scaling.yarn_beta_slow", 1.0),
    }


def llama3_rope(stored: NDArray[np.float32], *, theta: float, head_dim: int) -> Rope:
    """Return parameters whose divisors are the stored ones (`rope_freqs.weight`, (head_dim/2,)).

    Only three numbers decide the divisors: `factor`, and original context / low and / high factor.

    Raises:
        ConversionError: no parameters of Llama 3's scaling give these divisors.
    """
    if (stored == 1.0).all():
        return {"rope_type": "default", "rope_theta": theta}
    factor = float(stored.max())
    # Models that exist first: their parameters come out as they were published. Then whatever else fits.
    candidates = [(1.0, 4.0, 8192), *_solved(stored, theta=theta, head_dim=head_dim, factor=factor)]
    for low, high, original in candidates:
        rebuilt = llama3_factors(
            head_dim=head_dim, theta=theta, factor=factor, low=low, high=high, original_context=original
        )
        if np.allclose(rebuilt, stored, rtol=_TOLERANCE, atol=0.0):
            return {
                "rope_type": "llama3",
                "rope_theta": theta,
                "factor": factor,
                "low_freq_factor": low,
                "high_freq_factor": high,
                "original_max_position_embeddings": original,
            }
    raise ConversionError(
        "rope_freqs.weight holds divisors that are not those of Llama 3's scaling", hint=HINT
    )


def _solved(
    stored: NDArray[np.float32], *, theta: float, head_dim: int, factor: float
) -> list[tuple[float, float, int]]:
    """Return (low, high, original context) from the blended divisors, which lie on a line over the frequencies.

    1/divisor = (1-s)/factor + s with s = (original/wavelength - low)/(high - low).
    """
    divisors = stored.astype(np.float64)
    turns = np.power(theta, -np.arange(0, head_dim, 2) / head_dim) / (2 * pi)  # 1 / wavelength
    blended = (divisors > 1.0) & (divisors < factor)
    if factor <= 1.0 or blended.sum() < 2:
        return []
    smooth = (1 / divisors[blended] - 1 / factor) / (1 - 1 / factor)
    slope, offset = np.polyfit(turns[blended], smooth, 1)
    if slope <= 0 or offset >= 0:
        return []
    original = -slope / offset  # with low = 1
    whole = max(1, round(original))
    low = float(whole / original)
    return [(low, float(1 - 1 / offset) * low, whole)]


def longrope(
    keys: ArchitectureKeys,
    short: NDArray[np.float32],
    long: NDArray[np.float32],
    *,
    theta: float,
    context: int,
    window: int,
) -> Rope:
    """Return phi3's parameters: the divisors are stored as they are, (rotary dimensions / 2,) each.

    transformers takes `long` for sequences beyond the original context, llama.cpp for every sequence once its window
    is beyond it: then both are given as `long`.

    Args:
        keys: of the served base.
        short: divisors of short texts.
        long: divisors of long texts.
        theta: base of the frequencies.
        context: trained length in tokens.
        window: the runner's, in tokens.
    """
    original = keys.whole("rope.scaling.original_context_length", context)
    return {
        "rope_type": "longrope",
        "rope_theta": theta,
        "short_factor": (long if window > original else short).tolist(),
        "long_factor": long.tolist(),
        "original_max_position_embeddings": original,
        "attention_factor": keys.real("rope.scaling.attn_factor", 1.0),
    }
