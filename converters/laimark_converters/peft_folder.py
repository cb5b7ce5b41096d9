"""Write a LoRA GGUF back as the folder that PEFT loads: to train it further, or to serve it elsewhere.

The inverse of `convert_adapter`: A and B are the same numbers with B's rows in Hugging Face's order, and the served
scale becomes lora_alpha / r of each module. What was folded into B stays there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from laimark_converters.adapter_check import CheckedPair, check_adapter
from laimark_converters.adapter_pairs import permuted_heads
from laimark_converters.adapter_reader import load_half, read_adapter_header
from laimark_converters.architectures import for_gguf
from laimark_converters.atomic import appearing
from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader, read_header
from laimark_converters.rotary import unpermute_rows
from laimark_converters.weight_changes import ADAPTER_FILES


@dataclass(frozen=True, slots=True, kw_only=True)
class PeftFolder:
    """What was written."""

    modules: int
    """With a LoRA."""
    rank: int
    """`r` of the folder: that of most modules."""


def write_peft_folder(adapter: Path, base_gguf: Path, folder: Path, *, base_model: str = "") -> PeftFolder:
    """Write the LoRA in `adapter` as a PEFT folder, durable and complete when it returns; equal input, equal bytes.

    Memory is that of the adapter as float32. Modules are named by their whole path in the text model; a model with a tower of another kind calls them
    differently.

    Args:
        adapter: a LoRA GGUF, of any origin.
        base_gguf: the GGUF that it is served on; only its header is read.
        folder: made here; must not exist.
        base_model: written as `base_model_name_or_path`, where people look for the model that it belongs to.

    Raises:
        ConversionError: the adapter is damaged, does not fit this base or holds values that are not finite, or
            `folder` exists; nothing is left of it.
        OSError: `folder` cannot be written; nothing is left of it.
    """
    if folder.exists():
        raise ConversionError(f"{folder} exists already", hint="name another folder to write")
    base = read_header(base_gguf)
    pairs = check_adapter(read_adapter_header(adapter), base)
    config = _config(pairs, base_model)
    config_file, weights_file = ADAPTER_FILES
    tensors = {name: values for pair in pairs for name, values in _tensors(adapter, pair, base)}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with appearing(folder) as temporary:
        (temporary / config_file).write_bytes(msgspec.json.format(msgspec.json.encode(config), indent=2))
        save_file(tensors, temporary / weights_file, metadata={"format": "pt"})
    return PeftFolder(modules=len(pairs), rank=config["r"])


def _config(pairs: Sequence[CheckedPair], base_model: str) -> dict[str, Any]:
    rank, _ = Counter(pair.rank for pair in pairs).most_common(1)[0]
    alpha, _ = Counter(_alpha(pair) for pair in pairs).most_common(1)[0]
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model or None,
        "r": rank,
        "lora_alpha": alpha,
        "target_modules": [pair.module.path for pair in pairs],
        "rank_pattern": {pair.module.path: pair.rank for pair in pairs if pair.rank != rank},
        "alpha_pattern": {pair.module.path: _alpha(pair) for pair in pairs if _alpha(pair) != alpha},
        "bias": "none",
        "inference_mode": True,
    }


def _alpha(pair: CheckedPair) -> int | float:
    """Return PEFT's lora_alpha of a module; a whole number as such, because PEFT declares it to be one."""
    return int(pair.alpha) if pair.alpha.is_integer() else pair.alpha


def _tensors(adapter: Path, pair: CheckedPair, base: GgufHeader) -> Iterator[tuple[str, NDArray[np.float32]]]:
    a, b = load_half(adapter, pair.a), load_half(adapter, pair.b)
    heads = permuted_heads(pair.module, len(b), for_gguf(base.architecture), base)
    path = f"base_model.model.{pair.module.path}"
    yield f"{path}.lora_A.weight", a
    yield f"{path}.lora_B.weight", unpermute_rows(b, heads) if heads else b
