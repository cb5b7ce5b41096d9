"""Kinds of adapters, and how PEFT's `adapter_config.json` tells one from another.

Every kind is an update D = W' - W of the weights that are served; they differ in which updates they can learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError

AdapterKind = Literal["lora", "rslora", "dora", "ia3"]
"""`lora`: D = alpha/r·B·A (arXiv 2106.09685). `rslora`: alpha/sqrt(r) instead (2312.03732). `dora`: the rows of W + D have the
direction of W + s·B·A and a length of their own (2402.09353). `ia3`: the outputs of k and v and the inputs of the
down projection are scaled (2205.05638)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterShape:
    """What a cycle that goes on from an adapter has to keep."""

    kind: AdapterKind
    rank: int
    """0 for IA3, which has none."""
    alpha: float


class _PeftConfig(msgspec.Struct):
    peft_type: str = "LORA"
    r: int = 0
    lora_alpha: float = 0.0
    use_rslora: bool = False
    use_dora: bool = False


def adapter_shape(adapter_config: bytes) -> AdapterShape:
    """Return what a PEFT adapter is.

    Raises:
        DataError: it is malformed, or an adapter of a kind that is not trained here.
    """
    try:
        config = decode_json(adapter_config, _PeftConfig)
    except MalformedError as error:
        raise DataError(f"adapter_config.json is malformed: {error}") from error
    if config.peft_type == "IA3":
        return AdapterShape(kind="ia3", rank=0, alpha=0.0)
    if config.peft_type != "LORA" or config.r < 1 or (config.use_dora and config.use_rslora):
        raise DataError(
            f"adapter_config.json has peft_type {config.peft_type!r}, r {config.r}, use_dora {config.use_dora} and "
            f"use_rslora {config.use_rslora}: no kind that is trained here"
        )
    kind: AdapterKind = "dora" if config.use_dora else "rslora" if config.use_rslora else "lora"
    return AdapterShape(kind=kind, rank=config.r, alpha=config.lora_alpha)
