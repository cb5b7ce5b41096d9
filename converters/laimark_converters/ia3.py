"""IA3: trained factors on the outputs of k and v (rows of W, and the bias) and the inputs of a feed-forward (columns).

Source: peft 0.21.2 `tuners/ia3/layer.py` Linear.merge: `ia3_l` is (out, 1), or (1, in) for a feed-forward module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from laimark_converters.adapter_pairs import find_module, permuted_heads
from laimark_converters.architectures import Architecture
from laimark_converters.base_fit import OTHER_BASE
from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader
from laimark_converters.merged_rows import RowUpdate
from laimark_converters.rotary import permute_rows
from laimark_converters.safetensors_index import StoredTensor


def ia3_changes(
    stored: Mapping[str, StoredTensor], architecture: Architecture, base: GgufHeader
) -> dict[str, Callable[[], RowUpdate]]:
    """Return, by the base's tensor names, what loads the update of each; a scaled output scales its bias too.

    Raises:
        ConversionError: a tensor is unknown, or does not fit the base.
    """
    changes: dict[str, Callable[[], RowUpdate]] = {}
    for key, factors in stored.items():
        module = find_module(key, ".ia3_l", architecture)
        weight = f"{module.prefix}.weight"
        if weight in changes:
            raise ConversionError("the adapter holds two sets of factors for one tensor of the base")
        if weight not in base.tensors:
            raise ConversionError(f"{module.path}: the base {base.file_name} has no tensor {weight}")
        out, into = base.tensors[weight].shape
        if factors.shape == (out, 1):
            heads = permuted_heads(module, out, architecture, base)
            changes[weight] = _loader(factors, heads, (out, 1))
            if f"{module.prefix}.bias" in base.tensors:
                changes[f"{module.prefix}.bias"] = _loader(factors, heads, (1, out))
        elif factors.shape == (1, into):
            changes[weight] = _loader(factors, 0, (1, into))
        else:
            raise ConversionError(
                f"{factors.name} has the shape {list(factors.shape)}; {weight} is {[out, into]}",
                hint=OTHER_BASE,
            )
    if not changes:
        raise ConversionError("the adapter holds no tensors")
    return changes


def _loader(factors: StoredTensor, heads: int, shape: tuple[int, int]) -> Callable[[], RowUpdate]:
    """Return what loads `W * (factors - 1)`; `shape` says how the factors lie on W."""

    def load() -> RowUpdate:
        values = factors.load_finite()
        if heads:
            values = permute_rows(values, heads)
        gain = values.reshape(shape).astype(np.float64) - 1.0

        def update(rows: slice, base: NDArray[np.float32]) -> NDArray[np.float64]:
            product: NDArray[np.float64] = base * (gain[rows] if shape[1] == 1 else gain)
            return product

        return update

    return load
