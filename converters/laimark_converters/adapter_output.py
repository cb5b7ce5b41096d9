"""Write a LoRA as the GGUF that llama.cpp loads: its keys, and two tensors for each projection.

Source of keys: llama.cpp `convert_lora_to_gguf.py` and `src/llama-adapter.cpp`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from laimark_converters.atomic import replacing
from laimark_converters.gguf_output import OutputTensor, write_with_keys

METADATA_PREFIX = "laimark."
NO_METADATA: Mapping[str, str] = {}
_QUANTIZATION_VERSION = 2
"""GGML_QNT_VERSION."""


def write_adapter(
    out: Path,
    tensors: Sequence[OutputTensor],
    *,
    architecture: str,
    alpha: float,
    metadata: Mapping[str, str],
) -> int:
    """Write an adapter to `out`, durable and complete when it returns, and return its size in bytes.

    Args:
        out: replaced as a whole, or left as it is.
        tensors: `<tensor of the base>.lora_a` and `.lora_b`.
        architecture: `general.architecture` of the base.
        alpha: served scale of each projection times its rank; not zero, which llama.cpp reads as "no alpha".
        metadata: text keys, written under `laimark.`; empty ones are left out.

    Raises:
        ConversionError: a value is not finite, or does not fit its type; `out` is what it was.
        OSError: `out` cannot be written; it is what it was.
    """
    keys: dict[str, str | int | float] = {
        "general.architecture": architecture,
        "general.type": "adapter",
        "adapter.type": "lora",
        "adapter.lora.alpha": float(alpha),
        "general.quantization_version": _QUANTIZATION_VERSION,
    }
    keys |= {
        METADATA_PREFIX + key.removeprefix(METADATA_PREFIX): value
        for key, value in sorted(metadata.items())
        if value
    }
    with replacing(out) as temporary:
        return write_with_keys(keys, temporary, tensors)
