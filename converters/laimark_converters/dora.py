"""DoRA: the direction of each row of W comes from a LoRA, its length from a trained magnitude.

W' = m * (W + s*B@A) / ||W + s*B@A||, the norm over each row of W (out, in).
Source: peft 0.21.2 `tuners/lora/variants.py` DoraLinearVariant.merge_safe, `tuners/lora/dora.py` get_weight_norm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from laimark_converters.adapter_pairs import Pair, pair_up
from laimark_converters.architectures import Architecture
from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader
from laimark_converters.merged_rows import RowUpdate
from laimark_converters.peft_config import LoraConfig
from laimark_converters.rotary import permute_rows
from laimark_converters.safetensors_index import StoredTensor

_MAGNITUDE = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_magnitude_vector(?:\.weight)?")


def dora_changes(
    stored: Mapping[str, StoredTensor], config: LoraConfig, architecture: Architecture, base: GgufHeader
) -> dict[str, Callable[[], RowUpdate]]:
    """Return, by the base's tensor names, what loads the update of each.

    Raises:
        ConversionError: as of `with_magnitudes`.
    """
    pairs = with_magnitudes(stored, config, architecture, base)
    return {pair.name: _loader(pair, magnitude, config.scale_of(pair.module)) for pair, magnitude in pairs}


def with_magnitudes(
    stored: Mapping[str, StoredTensor], config: LoraConfig, architecture: Architecture, base: GgufHeader
) -> list[tuple[Pair, StoredTensor]]:
    """Return the LoRA of each projection with its magnitudes (out,).

    Raises:
        ConversionError: a tensor is unknown, unpaired, without a magnitude, or does not fit the base.
    """
    magnitudes, halves = {}, {}
    for key, tensor in stored.items():
        match = _MAGNITUDE.fullmatch(key)
        if match:
            magnitudes[match["module"]] = tensor
        else:
            halves[key] = tensor
    found = []
    for pair in pair_up(halves, config, architecture, base):
        magnitude = magnitudes.pop(pair.module, None)
        if magnitude is None:
            raise ConversionError(f"the adapter has no lora_magnitude_vector for {pair.module}")
        if magnitude.shape != pair.b.shape[:1]:
            raise ConversionError(
                f"{magnitude.name} has the shape {list(magnitude.shape)}, {pair.name} has {pair.b.shape[0]} rows"
            )
        found.append((pair, magnitude))
    if magnitudes:
        raise ConversionError(f"the adapter has a magnitude for {min(magnitudes)} but no LoRA")
    return found


def dora_rows(
    base: NDArray[np.float32], lora: NDArray[np.float64], magnitude: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return rows of W' (rows, in).

    Args:
        base: rows of W (rows, in).
        lora: the same rows of s*B@A.
        magnitude: m of the rows (rows,).

    Raises:
        ConversionError: a row is all zeros, so it has no direction.
    """
    directed = base + lora
    norms = np.linalg.norm(directed, axis=1)
    if not norms.all():
        raise ConversionError(
            "a row of the base plus its LoRA is all zeros, and a magnitude of it has no direction"
        )
    directed *= (magnitude / norms)[:, None]
    return directed


def _loader(pair: Pair, magnitude: StoredTensor, scale: float) -> Callable[[], RowUpdate]:
    def load() -> RowUpdate:
        a, b, m = pair.a.load_finite(), pair.b.load_finite(), magnitude.load_finite()
        if pair.permuted_heads:
            b, m = permute_rows(b, pair.permuted_heads), permute_rows(m, pair.permuted_heads)
        exact_a, exact_m = a.astype(np.float64), m.astype(np.float64)

        def update(rows: slice, base: NDArray[np.float32]) -> NDArray[np.float64]:
            lora = scale * (b[rows].astype(np.float64) @ exact_a)
            merged = dora_rows(base, lora, exact_m[rows])
            merged -= base
            return merged

        return update

    return load
