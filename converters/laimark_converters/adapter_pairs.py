"""Sort the tensors of a PEFT adapter into (A, B) pairs of known projections, refusing all else with the reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from laimark_converters.architectures import Architecture
from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader
from laimark_converters.peft_config import LoraConfig
from laimark_converters.safetensors_index import StoredTensor

_KEY = re.compile(
    r"base_model\.model\.(?P<module>(?:model\.(?:language_model\.)?layers|transformer\.h)"
    r"\.(?P<layer>\d{1,4})\.(?P<projection>[\w.]+))"
    r"\.lora_(?P<half>[AB])\.weight"
)

_REASONS: tuple[tuple[str, str], ...] = (
    ("lora_embedding", "a LoRA on the embedding aborts llama.cpp"),
    ("embed_tokens", "a LoRA on the embedding aborts llama.cpp"),
    ("lm_head", "a LoRA on the output projection crashes llama.cpp where embeddings are tied"),
    ("lora_magnitude_vector", "DoRA rescales the base weights; a GGUF adapter cannot"),
    ("modules_to_save", "whole trained modules have no place in a GGUF adapter"),
    ("base_layer", "the file carries base weights, so they were trained or resized"),
    (".bias", "trained biases have no place in a GGUF adapter"),
    (".experts", "LoRA over experts is not converted"),
    (".ia3_", "IA3 is not LoRA"),
)
"""Part of a key -> why it is refused; the first that matches is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The LoRA of one projection, checked against the base."""

    name: str
    """Of the base's tensor: `blk.0.attn_q.weight`."""
    module: str
    """Path in the Hugging Face model, which PEFT's patterns are matched against."""
    a: StoredTensor
    """(rank, in)"""
    b: StoredTensor
    """(out, rank)"""
    rank: int
    permuted_heads: int
    """Heads to reorder B's rows by; 0 leaves them."""


def pair_up(
    stored: Mapping[str, StoredTensor], config: LoraConfig, architecture: Architecture, base: GgufHeader
) -> list[Pair]:
    """Return the pairs in the order of the base's tensor names, every shape checked.

    Raises:
        ConversionError: a tensor is unknown, unpaired or refused by name, is not in the base, or does not fit it.
    """
    halves: dict[tuple[int, str, str], dict[str, StoredTensor]] = {}
    for key, tensor in stored.items():
        match = _KEY.fullmatch(key)
        if match is None or match["projection"] not in architecture.projections:
            raise _refusal(key, architecture)
        halves.setdefault((int(match["layer"]), match["projection"], match["module"]), {})[match["half"]] = (
            tensor
        )
    if not halves:
        raise ConversionError("the adapter holds no tensors")
    pairs = [_pair(*where, found, config, architecture, base) for where, found in sorted(halves.items())]
    twice = {pair.name for pair in pairs}
    if len(twice) != len(pairs):
        raise ConversionError("the adapter holds two LoRAs for one tensor of the base")
    return pairs


def _refusal(key: str, architecture: Architecture) -> ConversionError:
    reason = next((reason for part, reason in _REASONS if part in key), "")
    if not reason:
        reason = (
            f"adapters for {architecture.gguf} are converted for {', '.join(architecture.projections)} only"
        )
    return ConversionError(
        f"the adapter's tensor {key} is refused: {reason}", hint="train without that module"
    )


def _pair(
    layer: int,
    projection: str,
    module: str,
    found: Mapping[str, StoredTensor],
    config: LoraConfig,
    architecture: Architecture,
    base: GgufHeader,
) -> Pair:
    if len(found) != 2:
        missing = "B" if "A" in found else "A"
        raise ConversionError(f"the adapter has no lora_{missing} for {module}")
    name = f"blk.{layer}.{architecture.projections[projection]}.weight"
    a, b = found["A"], found["B"]
    rank = config.rank_of(module)
    _check_shapes(module, a, b, rank)
    _check_against_base(name, module, (b.shape[0], a.shape[1]), base)
    permuted_heads = architecture.permuted_heads(architecture.projections[projection], layer, base)
    if permuted_heads and b.shape[0] % (2 * permuted_heads):
        raise ConversionError(
            f"{name} has {b.shape[0]} rows, which {permuted_heads} heads do not divide into pairs"
        )
    return Pair(name=name, module=module, a=a, b=b, rank=rank, permuted_heads=permuted_heads)


def _check_shapes(module: str, a: StoredTensor, b: StoredTensor, rank: int) -> None:
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[0] != b.shape[1]:
        raise ConversionError(f"{module}: lora_A {list(a.shape)} and lora_B {list(b.shape)} do not multiply")
    if a.shape[0] != rank:
        raise ConversionError(f"{module} has the rank {a.shape[0]}, adapter_config.json says {rank}")


def _check_against_base(name: str, module: str, shape: tuple[int, int], base: GgufHeader) -> None:
    info = base.tensors.get(name)
    if info is None:
        fused = name.rsplit(".", 2)[0] + ".attn_qkv.weight"
        why = f"; it holds {fused} instead, fused in an order of its own" if fused in base.tensors else ""
        raise ConversionError(
            f"{module}: the base {base.file_name} has no tensor {name}{why}",
            hint="the adapter was trained on another base; name the one it was trained on",
        )
    if info.shape != shape:
        raise ConversionError(
            f"{module}: the adapter is for a projection of {list(shape)}, {name} in {base.file_name} is {list(info.shape)}",
            hint="the adapter was trained on another base; name the one it was trained on",
        )
