"""Folding the line search's factor into a PEFT adapter: only `lora_alpha` changes, since D = alpha/r · B·A."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from laimark_sidecar.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterShape:
    """What a cycle that goes on from an adapter has to keep."""

    rank: int
    alpha: float


class _LoraConfig(msgspec.Struct):
    r: int
    lora_alpha: float


def adapter_shape(adapter_config: bytes) -> AdapterShape:
    """Return rank and alpha of a PEFT adapter.

    Raises:
        DataError: it is not a LoRA configuration.
    """
    try:
        config = msgspec.json.decode(adapter_config, type=_LoraConfig)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise DataError(f"adapter_config.json is malformed: {error}") from error
    return AdapterShape(rank=config.r, alpha=config.lora_alpha)


def rescaled(adapter_config: bytes, scale: float) -> bytes:
    """Return the adapter_config.json with `lora_alpha` (and every alpha_pattern entry) multiplied by `scale`.

    Raises:
        DataError: it is not a LoRA configuration.
    """
    try:
        config: dict[str, object] = msgspec.json.decode(adapter_config, type=dict[str, object])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise DataError(f"adapter_config.json is malformed: {error}") from error
    alpha = config.get("lora_alpha")
    if not isinstance(alpha, int | float):
        raise DataError(f"adapter_config.json: lora_alpha is {alpha!r}, expected a number")
    if scale == 1.0:
        return adapter_config
    patterns = config.get("alpha_pattern") or {}
    if not isinstance(patterns, dict):
        raise DataError(f"adapter_config.json: alpha_pattern is {patterns!r}, expected an object")
    config["lora_alpha"] = alpha * scale
    config["alpha_pattern"] = {name: value * scale for name, value in patterns.items()}
    return msgspec.json.format(msgspec.json.encode(config), indent=2)
