"""Folding the line search's factor into a PEFT adapter: D = s·B·A, so scaling B scales exactly what is served.

Alpha stays what it is: were the factor folded in there, it would shrink every later cycle's steps as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError

_LENGTH_BYTES = 8
_B = ".lora_B."


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterShape:
    """What a cycle that goes on from an adapter has to keep."""

    rank: int
    alpha: float


class _LoraConfig(msgspec.Struct):
    r: int
    lora_alpha: float


class _Tensor(msgspec.Struct):
    dtype: str
    data_offsets: tuple[int, int]


def adapter_shape(adapter_config: bytes) -> AdapterShape:
    """Return rank and alpha of a PEFT adapter.

    Raises:
        DataError: it is not a LoRA configuration.
    """
    try:
        config = decode_json(adapter_config, _LoraConfig)
    except MalformedError as error:
        raise DataError(f"adapter_config.json is malformed: {error}") from error
    return AdapterShape(rank=config.r, alpha=config.lora_alpha)


def rescaled(adapter: bytes, scale: float) -> bytes:
    """Return an adapter_model.safetensors with every B multiplied by `scale`; all other bytes stay.

    Only the numbers are touched, never the header: equal input gives equal bytes, which the registry goes by.

    Raises:
        DataError: it is no adapter in float32, as the worker writes it.
    """
    if scale == 1.0:
        return adapter
    import numpy as np

    start = _LENGTH_BYTES + int.from_bytes(adapter[:_LENGTH_BYTES], "little")
    content = bytearray(adapter)
    for name, tensor in _factors(adapter[_LENGTH_BYTES:start]).items():
        first, last = (start + offset for offset in tensor.data_offsets)
        if tensor.dtype != "F32" or not start <= first <= last <= len(adapter):
            raise DataError(f"adapter_model.safetensors: {name} is no whole tensor of F32 ({tensor.dtype})")
        values = np.frombuffer(adapter[first:last], dtype="<f4")
        content[first:last] = (values * np.float32(scale)).tobytes()
    return bytes(content)


def _factors(header: bytes) -> dict[str, _Tensor]:
    """Return where each B is."""
    try:
        entries = decode_json(header, dict[str, msgspec.Raw])
        found = {name: decode_json(entry, _Tensor) for name, entry in entries.items() if _B in name}
    except MalformedError as error:
        raise DataError(f"adapter_model.safetensors has a malformed header: {error}") from error
    if not found:
        raise DataError("adapter_model.safetensors holds no LoRA factor B")
    return found
