"""Folding the line search's factor t into a PEFT adapter, such that t·D is what it does to the weights.

LoRA: D = s·B·A, so B is scaled. Alpha stays what it is: were the factor folded in there, it would shrink every later
cycle's steps as well. IA3: D = (l - 1)∘W, so l becomes 1 + t·(l - 1). A DoRA's D hangs on the weights themselves:
`convert.dora_at` works out its tensors, and `replaced` puts them in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LENGTH_BYTES = 8
_B, _GAINS, _MAGNITUDES = ".lora_B.", ".ia3_l", ".lora_magnitude_vector"


class _Tensor(msgspec.Struct):
    dtype: str
    data_offsets: tuple[int, int]


def rescaled(adapter: bytes, scale: float) -> bytes:
    """Return an adapter_model.safetensors of a LoRA or an IA3 whose effect is `scale` times as large.

    Only the numbers are touched, never the header: equal input gives equal bytes, which the registry goes by.

    Raises:
        DataError: it is no such adapter in float32, as the worker writes it.
    """
    if scale == 1.0:
        return adapter
    import numpy as np

    values: dict[str, NDArray[np.float32]] = {}
    for name, place in _places(adapter, _is_scaled).items():
        found = np.frombuffer(adapter[place], dtype="<f4")
        factor, one = np.float32(scale), np.float32(1.0)
        values[name] = (found - one) * factor + one if name.endswith(_GAINS) else found * factor
    if _places(adapter, lambda name: name.endswith(_MAGNITUDES)):
        raise DataError(
            "adapter_model.safetensors is a DoRA's: its B alone does not tell what it does to the weights"
        )
    if not values:
        raise DataError("adapter_model.safetensors holds no LoRA factor B and no gains of an IA3")
    return replaced(adapter, values)


def replaced(adapter: bytes, values: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Return an adapter_model.safetensors with other values in some of its tensors; all other bytes stay.

    Raises:
        DataError: one of them is not there, is not in float32, or has another size.
    """
    places, content = _places(adapter, values.__contains__), bytearray(adapter)
    for name, new in values.items():
        place, data = places.get(name), new.astype("<f4").tobytes()
        if place is None or place.stop - place.start != len(data):
            raise DataError(f"adapter_model.safetensors: {name} is not there in this size")
        content[place] = data
    return bytes(content)


def _places(adapter: bytes, wanted: Callable[[str], bool]) -> dict[str, slice]:
    """Return where the values of each tensor are whose name is wanted."""
    start = _LENGTH_BYTES + int.from_bytes(adapter[:_LENGTH_BYTES], "little")
    try:
        entries = decode_json(adapter[_LENGTH_BYTES:start], dict[str, msgspec.Raw])
        tensors = {name: decode_json(entry, _Tensor) for name, entry in entries.items() if wanted(name)}
    except MalformedError as error:
        raise DataError(f"adapter_model.safetensors has a malformed header: {error}") from error
    places = {}
    for name, tensor in tensors.items():
        first, last = (start + offset for offset in tensor.data_offsets)
        if tensor.dtype != "F32" or not start <= first <= last <= len(adapter):
            raise DataError(f"adapter_model.safetensors: {name} is no whole tensor of F32 ({tensor.dtype})")
        places[name] = slice(first, last)
    return places


def _is_scaled(name: str) -> bool:
    return _B in name or name.endswith(_GAINS)
