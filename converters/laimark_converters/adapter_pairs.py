"""Sort the tensors of a PEFT adapter into (A, B) pairs of known projections, refusing all else with the reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from laimark_converters.architectures import Architecture
from laimark_converters.base_fit import OTHER_BASE
from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader
from laimark_converters.peft_config import LoraConfig
from laimark_converters.safetensors_index import StoredTensor

_MODULE = re.compile(
    r"base_model\.model\.(?P<path>(?:model\.(?:language_model\.)?layers|transformer\.h)"
    r"\.(?P<layer>\d{1,4})\.(?P<projection>[\w.]+))"
)
_HALVES: Mapping[str, str] = {"A": ".lora_A.weight", "B": ".lora_B.weight"}

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


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Module:
    """A projection that an adapter may sit on."""

    layer: int
    name: str
    """ggml's: `attn_q`."""
    path: str
    """In the Hugging Face model, which PEFT's patterns are matched against."""

    @property
    def prefix(self) -> str:
        """Of the names of the base's tensors: `blk.0.attn_q`."""
        return f"blk.{self.layer}.{self.name}"


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
    found: dict[Module, dict[str, StoredTensor]] = {}
    for key, tensor in stored.items():
        half = "B" if key.endswith(_HALVES["B"]) else "A"
        found.setdefault(find_module(key, _HALVES[half], architecture), {})[half] = tensor
    if not found:
        raise ConversionError("the adapter holds no tensors")
    pairs = [_pair(module, halves, config, architecture, base) for module, halves in sorted(found.items())]
    if len({pair.name for pair in pairs}) != len(pairs):
        raise ConversionError("the adapter holds two LoRAs for one tensor of the base")
    return pairs


def find_module(key: str, suffix: str, architecture: Architecture) -> Module:
    """Return the projection that the tensor `key` of an adapter belongs to.

    Args:
        key: PEFT's name of it.
        suffix: what must follow the module's path.
        architecture: of the base.

    Raises:
        ConversionError: there is no such projection, or nothing may sit on it; the reason is told.
    """
    match = _MODULE.fullmatch(key.removesuffix(suffix))
    if match is None or not key.endswith(suffix) or match["projection"] not in architecture.projections:
        raise _refusal(key, suffix, architecture)
    name = architecture.projections[match["projection"]]
    return Module(layer=int(match["layer"]), name=name, path=match["path"])


def _refusal(key: str, suffix: str, architecture: Architecture) -> ConversionError:
    reasons = (reason for part, reason in _REASONS if part in key and not suffix.startswith(part))
    known = f"adapters for {architecture.gguf} are converted for {', '.join(architecture.projections)} only"
    return ConversionError(
        f"the adapter's tensor {key} is refused: {next(reasons, known)}", hint="train without that module"
    )


def _pair(
    module: Module,
    halves: Mapping[str, StoredTensor],
    config: LoraConfig,
    architecture: Architecture,
    base: GgufHeader,
) -> Pair:
    if len(halves) != 2:
        missing = "B" if "A" in halves else "A"
        raise ConversionError(f"the adapter has no lora_{missing} for {module.path}")
    name = f"{module.prefix}.weight"
    a, b = halves["A"], halves["B"]
    rank = config.rank_of(module.path)
    _check_shapes(module.path, a, b, rank)
    _check_against_base(name, module.path, (b.shape[0], a.shape[1]), base)
    heads = permuted_heads(module, b.shape[0], architecture, base)
    return Pair(name=name, module=module.path, a=a, b=b, rank=rank, permuted_heads=heads)


def permuted_heads(module: Module, rows: int, architecture: Architecture, base: GgufHeader) -> int:
    """Return the heads to reorder the `rows` of a projection's output by; 0 leaves them.

    Raises:
        ConversionError: the base does not say how many heads it has, or they do not divide the rows into pairs.
    """
    heads = architecture.permuted_heads(module.name, module.layer, base)
    if heads and rows % (2 * heads):
        raise ConversionError(
            f"{module.prefix}.weight has {rows} rows, which {heads} heads do not divide into pairs"
        )
    return heads


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
            hint=OTHER_BASE,
        )
    if info.shape != shape:
        raise ConversionError(
            f"{module}: the adapter is for a projection of {list(shape)}, {name} in {base.file_name} is {list(info.shape)}",
            hint=OTHER_BASE,
        )
