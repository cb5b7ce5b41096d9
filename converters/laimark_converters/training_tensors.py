"""Which tensors a training base holds, and how each comes out of the GGUF."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from gguf.constants import GGMLQuantizationType
from numpy.typing import NDArray

from laimark_converters import dequantise, names
from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader, TensorInfo
from laimark_converters.rotary import unpermute_rows
from laimark_converters.training_config import ROPE_LONG, ROPE_SHORT
from laimark_converters.training_families import HINT, TrainingFamily, training_family

TrainingDtype = Literal["f16", "bf16", "f32"]
_TYPES: Mapping[TrainingDtype, GGMLQuantizationType] = {
    "f16": GGMLQuantizationType.F16,
    "bf16": GGMLQuantizationType.BF16,
    "f32": GGMLQuantizationType.F32,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTensor:
    """One tensor of the folder: where it comes from and what is done to it."""

    name: str
    """In transformers."""
    source: TensorInfo
    kind: GGMLQuantizationType
    """F32, F16 or BF16: that of the source where it is one of them, which is exact."""
    head_rows: int = 0
    """Rows of a head to bring back into Hugging Face's order; 0 leaves them."""
    shift: float = 0.0
    """Taken from every value."""

    def blocks(self, gguf: Path) -> Iterator[NDArray[np.float32]]:
        """Yield its values in order, (rows, values) a block.

        Raises:
            ConversionError: its type is not decoded here.
        """
        vector = len(self.source.shape) == 1
        whole_rows = 1 if vector or not self.head_rows else self.head_rows
        for block in dequantise.row_blocks(gguf, self.source, whole_rows=whole_rows):
            if self.head_rows:
                rows: NDArray[np.float32] = block.reshape(-1) if vector else block
                yield unpermute_rows(rows, rows.shape[0] // self.head_rows).reshape(block.shape)
            else:
                yield block - np.float32(self.shift) if self.shift else block


def plan_training_tensors(
    header: GgufHeader, config: Mapping[str, Any], dtype: TrainingDtype
) -> list[TrainingTensor]:
    """Return every tensor of the folder, in order.

    Args:
        header: of the served base.
        config: what `training_config` made of it.
        dtype: for what is quantised in the GGUF.

    Raises:
        ConversionError: the GGUF lacks one, has it in another shape or in a type that is not decoded here, or holds
            one that nothing would read.
    """
    family = training_family(header.architecture)
    read: set[str] = {names.ROPE_FREQS, ROPE_SHORT, ROPE_LONG}
    planned: list[TrainingTensor] = []
    for wanted in _wanted(family, config):
        info = header.tensors.get(wanted.source)
        if info is None:
            raise ConversionError(f"{header.file_name} lacks {wanted.source}", hint=HINT)
        if info.shape != wanted.shape:
            raise ConversionError(
                f"{header.file_name}: {wanted.source} has the shape {list(info.shape)}, its keys say {list(wanted.shape)}"
            )
        if info.kind not in {one.source.kind for one in planned}:
            dequantise.require_decodable(info)
        read.add(wanted.source)
        kind = info.kind if info.kind in dequantise.EXACT_TYPES else _TYPES[dtype]
        planned.append(
            TrainingTensor(
                name=wanted.name, source=info, kind=kind, head_rows=wanted.head_rows, shift=wanted.shift
            )
        )
    unread = set(header.tensors) - read
    if unread:
        raise ConversionError(
            f"{header.file_name} holds {min(unread)}, which {family.hf_class} has no place for", hint=HINT
        )
    return planned


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    name: str
    source: str
    shape: tuple[int, ...]
    head_rows: int = 0
    shift: float = 0.0


def _wanted(family: TrainingFamily, config: Mapping[str, Any]) -> Iterator[_Wanted]:
    hidden, vocab = config["hidden_size"], config["vocab_size"]
    yield _Wanted(name="model.embed_tokens.weight", source=names.EMBEDDING, shape=(vocab, hidden))
    for layer in range(config["num_hidden_layers"]):
        yield from _layer(family, config, f"model.layers.{layer}.", f"blk.{layer}.")
    yield _Wanted(
        name="model.norm.weight", source=names.OUTPUT_NORM, shape=(hidden,), shift=family.norm_shift
    )
    if not config["tie_word_embeddings"]:
        yield _Wanted(name="lm_head.weight", source=names.OUTPUT, shape=(vocab, hidden))


def _layer(family: TrainingFamily, config: Mapping[str, Any], prefix: str, short: str) -> Iterator[_Wanted]:
    head_dim, norm_sizes = config["head_dim"], config["hidden_size"]
    norms = {**dict.fromkeys(family.norms, norm_sizes), **dict.fromkeys(family.qk_norms, head_dim)}
    for module, source in {**family.norms, **family.qk_norms}.items():
        yield _Wanted(
            name=f"{prefix}{module}.weight",
            source=f"{short}{source}.weight",
            shape=(norms[module],),
            shift=family.norm_shift,
        )
    biased = set(family.always_biased)
    for setting, modules in family.bias_settings.items():
        biased |= set(modules) if config[setting] else set()
    sizes = _sizes(config)
    for module, source in family.projections.items():
        head_rows = head_dim if family.permuted and module in names.PERMUTED else 0
        out = sizes[module][0]
        yield _Wanted(
            name=f"{prefix}{module}.weight",
            source=f"{short}{source}.weight",
            shape=sizes[module],
            head_rows=head_rows,
        )
        if module in biased:
            yield _Wanted(
                name=f"{prefix}{module}.bias",
                source=f"{short}{source}.bias",
                shape=(out,),
                head_rows=head_rows,
            )


def _sizes(config: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Return (out, in) of every projection, fused ones included."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    q = config["num_attention_heads"] * config["head_dim"]
    kv = config["num_key_value_heads"] * config["head_dim"]
    return {
        "self_attn.q_proj": (q, hidden),
        "self_attn.k_proj": (kv, hidden),
        "self_attn.v_proj": (kv, hidden),
        "self_attn.qkv_proj": (q + 2 * kv, hidden),
        "self_attn.o_proj": (hidden, q),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.gate_up_proj": (2 * inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
