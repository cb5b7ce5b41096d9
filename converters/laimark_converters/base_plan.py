"""Which tensors a base GGUF holds, where each comes from, and what it must look like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from laimark_converters import names
from laimark_converters.errors import ConversionError
from laimark_converters.hf_config import ModelShape
from laimark_converters.safetensors_index import StoredTensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One tensor of the GGUF: where it comes from and what it must look like."""

    source: str
    """Name in the Hugging Face folder."""
    name: str
    """Name in the GGUF."""
    shape: tuple[int, ...]
    permuted_heads: int = 0
    """Heads to reorder the rows by; 0 leaves them."""


def plan(shape: ModelShape, stored: Mapping[str, StoredTensor]) -> list[Planned]:
    """Return the GGUF's tensors in order.

    Raises:
        ConversionError: the folder lacks one of them, has it in another shape, or holds one that nothing reads.
    """
    planned = [
        Planned(source="model.embed_tokens.weight", name=names.EMBEDDING, shape=(shape.vocab, shape.hidden))
    ]
    for layer in range(shape.layers):
        planned += _plan_layer(shape, layer)
    planned.append(Planned(source="model.norm.weight", name=names.OUTPUT_NORM, shape=(shape.hidden,)))
    if not shape.tied:
        planned.append(Planned(source="lm_head.weight", name=names.OUTPUT, shape=(shape.vocab, shape.hidden)))
    for tensor in planned:
        if tensor.source not in stored:
            raise ConversionError(f"the weights lack {tensor.source}, which config.json calls for")
        if stored[tensor.source].shape != tensor.shape:
            found = list(stored[tensor.source].shape)
            raise ConversionError(
                f"{tensor.source} has the shape {found}, config.json says {list(tensor.shape)}"
            )
    # Tied models may store the output projection again; older ones store the rotary frequencies.
    spare = {"lm_head.weight"} if shape.tied else set()
    unread = set(stored) - {tensor.source for tensor in planned} - spare
    unread = {name for name in unread if not name.endswith("rotary_emb.inv_freq")}
    if unread:
        raise ConversionError(f"the weights hold {min(unread)}, which this architecture has no place for")
    return planned


def _plan_layer(shape: ModelShape, layer: int) -> Iterator[Planned]:
    q_rows, kv_rows = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    sizes = {
        "self_attn.q_proj": (q_rows, shape.hidden),
        "self_attn.k_proj": (kv_rows, shape.hidden),
        "self_attn.v_proj": (kv_rows, shape.hidden),
        "self_attn.o_proj": (shape.hidden, q_rows),
        "mlp.gate_proj": (shape.intermediate, shape.hidden),
        "mlp.up_proj": (shape.intermediate, shape.hidden),
        "mlp.down_proj": (shape.hidden, shape.intermediate),
    }
    prefix, short = f"model.layers.{layer}.", f"blk.{layer}."
    for module, name in names.NORMS.items():
        yield Planned(source=f"{prefix}{module}.weight", name=f"{short}{name}.weight", shape=(shape.hidden,))
    if shape.architecture.qk_norm:
        for module, name in names.QK_NORMS.items():
            yield Planned(
                source=f"{prefix}{module}.weight", name=f"{short}{name}.weight", shape=(shape.head_dim,)
            )
    for module, name in names.PROJECTIONS.items():
        rows = sizes[module][0]
        permuted = shape.architecture.permuted and module in names.PERMUTED
        yield Planned(
            source=f"{prefix}{module}.weight",
            name=f"{short}{name}.weight",
            shape=sizes[module],
            permuted_heads=rows // shape.head_dim if permuted else 0,
        )
        if shape.architecture.qkv_bias and module in names.BIASED:
            yield Planned(source=f"{prefix}{module}.bias", name=f"{short}{name}.bias", shape=(rows,))
