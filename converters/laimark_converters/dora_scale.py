"""Fold a factor t into a DoRA, such that t·D is what it does to the served weights, and it still is a DoRA.

W + t·D = (1 - t + t·q) W + t·q L = k (W + (t·q/k) L),   L = s·B@A, q = m / ||W + L||, k = 1 - t + t·q

so B is multiplied by t·q/k, row by row, and the magnitudes become the lengths of the rows of W + t·D.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laimark_converters.adapter_pairs import Pair
from laimark_converters.architectures import for_gguf
from laimark_converters.dora import with_magnitudes
from laimark_converters.errors import ConversionError
from laimark_converters.gguf_output import row_blocks
from laimark_converters.header import TensorInfo, read_header
from laimark_converters.merged_writer import decoded_rows
from laimark_converters.peft_config import read_lora_config
from laimark_converters.rotary import permute_rows, unpermute_rows
from laimark_converters.safetensors_index import StoredTensor, read_index
from laimark_converters.weight_changes import ADAPTER_FILES


def scaled_dora(folder: Path, base_gguf: Path, scale: float) -> dict[str, NDArray[np.float32]]:
    """Return the tensors that change, B and the magnitudes, by their names in the adapter's file.

    Args:
        folder: PEFT's, of a DoRA.
        base_gguf: the GGUF that the runner serves; its weights decide the update.
        scale: t.

    Raises:
        ConversionError: the adapter is none, does not fit the base, or turns a row round, which has no such form.
    """
    if not math.isfinite(scale) or not scale:
        raise ConversionError(
            f"scale is {scale}; it must be finite, and 0 would leave nothing of the adapter"
        )
    config_file, weights_file = (folder / name for name in ADAPTER_FILES)
    header, config = read_header(base_gguf), read_lora_config(config_file, dora=True)
    pairs = with_magnitudes(read_index(weights_file), config, for_gguf(header.architecture), header)
    changed: dict[str, NDArray[np.float32]] = {}
    for pair, magnitude in pairs:
        factor, length = _rows(
            pair, magnitude, config.scale_of(pair.module), base_gguf, header.tensors[pair.name], scale
        )
        changed[pair.b.name] = (pair.b.load_finite() * factor[:, None]).astype(np.float32)
        changed[magnitude.name] = length.astype(np.float32)
    return changed


def _rows(
    pair: Pair, magnitude: StoredTensor, lora_scale: float, base_gguf: Path, info: TensorInfo, scale: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return, row by row in Hugging Face's order, what B is multiplied by, and the new magnitudes."""
    a, b, m = (one.load_finite().astype(np.float64) for one in (pair.a, pair.b, magnitude))
    if pair.permuted_heads:
        b, m = permute_rows(b, pair.permuted_heads), permute_rows(m, pair.permuted_heads)
    factor, length = np.empty_like(m), np.empty_like(m)
    with base_gguf.open("rb") as source:
        source.seek(info.offset)
        for rows in row_blocks(*info.shape):
            weight = decoded_rows(source, info, rows.stop - rows.start).astype(np.float64)
            lora = lora_scale * (b[rows] @ a)
            norms = np.linalg.norm(weight + lora, axis=1)
            if not norms.all():
                raise ConversionError(f"a row of {pair.name} plus its LoRA is all zeros: it has no direction")
            ratio = m[rows] / norms
            kept = 1.0 - scale + scale * ratio
            if (kept <= 0).any():
                raise ConversionError(f"at {scale:g} the DoRA turns a row of {pair.name} round")
            factor[rows] = scale * ratio / kept
            length[rows] = kept * np.linalg.norm(weight + factor[rows][:, None] * lora, axis=1)
    if pair.permuted_heads:
        factor, length = (
            unpermute_rows(factor, pair.permuted_heads),
            unpermute_rows(length, pair.permuted_heads),
        )
    return factor, length
