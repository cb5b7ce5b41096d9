"""Write the GGUF of a base model from its Hugging Face folder, without torch and tensor by tensor.

llama.cpp's own script refuses locally trained tokenizers (it knows tokenizers by a hash of token ids) and
needs torch and transformers. Source of keys and tensor order: llama.cpp `conversion/base.py`, `llama.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from laimark_converters import gguf_output, names
from laimark_converters.atomic import replacing
from laimark_converters.errors import ConversionError
from laimark_converters.gguf_output import FILE_TYPES, Dtype, OutputTensor
from laimark_converters.hf_config import ModelShape, read_shape
from laimark_converters.rotary import llama3_factors, permute_rows
from laimark_converters.safetensors_index import StoredTensor, read_model_index
from laimark_converters.tokenizer import Tokenizer, read_tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """One tensor of the GGUF: where it comes from and what it must look like."""

    source: str
    name: str
    shape: tuple[int, ...]
    permuted_heads: int = 0
    """Heads to reorder the rows by; 0 leaves them."""


def write_base_gguf(hf_dir: Path, out: Path, *, dtype: Dtype = "f16") -> None:
    """Write the model in `hf_dir` to `out`, durable and complete when it returns; equal input, equal bytes.

    Matrices are stored as `dtype` (rows that q8_0 cannot block as f16), norms and biases as f32. The chat
    template and the tokenizer go in; `add_bos_token` is false, because the template says where BOS stands.

    Raises:
        ConversionError: the model cannot be converted faithfully; `out` is what it was.
        OSError: `out` cannot be written; it is what it was.
    """
    shape = read_shape(hf_dir)
    tokenizer = read_tokenizer(hf_dir, shape.vocab)
    stored = read_model_index(hf_dir)
    tensors = [_output(planned, stored, dtype) for planned in _plan(shape, stored)]
    writer = gguf_output.new_writer(shape.architecture.gguf)
    _add_model_keys(writer, shape, dtype)
    _add_rope_keys(writer, shape, tensors)
    _add_tokenizer_keys(writer, tokenizer, shape)
    with replacing(out) as temporary:
        gguf_output.write(writer, temporary, tensors)


def _plan(shape: ModelShape, stored: Mapping[str, StoredTensor]) -> list[_Planned]:
    """Return the GGUF's tensors in order.

    Raises:
        ConversionError: the folder lacks one of them, has it in another shape, or holds one that nothing reads.
    """
    planned = [
        _Planned(source="model.embed_tokens.weight", name=names.EMBEDDING, shape=(shape.vocab, shape.hidden))
    ]
    for layer in range(shape.layers):
        planned += _plan_layer(shape, layer)
    planned.append(_Planned(source="model.norm.weight", name=names.OUTPUT_NORM, shape=(shape.hidden,)))
    if not shape.tied:
        planned.append(
            _Planned(source="lm_head.weight", name=names.OUTPUT, shape=(shape.vocab, shape.hidden))
        )
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


def _plan_layer(shape: ModelShape, layer: int) -> Iterator[_Planned]:
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
        yield _Planned(source=f"{prefix}{module}.weight", name=f"{short}{name}.weight", shape=(shape.hidden,))
    if shape.architecture.qk_norm:
        for module, name in names.QK_NORMS.items():
            yield _Planned(
                source=f"{prefix}{module}.weight", name=f"{short}{name}.weight", shape=(shape.head_dim,)
            )
    for module, name in names.PROJECTIONS.items():
        rows = sizes[module][0]
        permuted = shape.architecture.permuted and module in names.PERMUTED
        yield _Planned(
            source=f"{prefix}{module}.weight",
            name=f"{short}{name}.weight",
            shape=sizes[module],
            permuted_heads=rows // shape.head_dim if permuted else 0,
        )
        if shape.architecture.qkv_bias and module in names.BIASED:
            yield _Planned(source=f"{prefix}{module}.bias", name=f"{short}{name}.bias", shape=(rows,))


def _output(planned: _Planned, stored: Mapping[str, StoredTensor], dtype: Dtype) -> OutputTensor:
    source = stored[planned.source]

    def blocks() -> Iterator[NDArray[np.float32]]:
        raw: NDArray[Any] = source.raw()
        if planned.permuted_heads:
            raw = permute_rows(raw, planned.permuted_heads)
        row_values = source.shape[1] if len(source.shape) > 1 else 1
        for rows in gguf_output.row_blocks(source.shape[0], row_values):
            yield source.widen(raw[rows])

    kind = gguf_output.storable(planned.shape, dtype)
    return OutputTensor(name=planned.name, shape=planned.shape, dtype=kind, blocks=blocks)


def _add_model_keys(writer: Any, shape: ModelShape, dtype: Dtype) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_file_type(FILE_TYPES[dtype])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_feed_forward_length(shape.intermediate)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_layer_norm_rms_eps(shape.rms_eps)
    writer.add_vocab_size(shape.vocab)


def _add_rope_keys(writer: Any, shape: ModelShape, tensors: list[OutputTensor]) -> None:
    """Add the rotary embedding's keys; Llama 3's scaling goes in as a tensor of frequency factors."""
    rope = shape.rope
    original = rope.original_max_position_embeddings or shape.context
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(shape.rope_theta)
    if rope.kind == "llama3":
        factors = llama3_factors(
            head_dim=shape.head_dim,
            theta=shape.rope_theta,
            factor=rope.factor,
            low=rope.low_freq_factor,
            high=rope.high_freq_factor,
            original_context=original,
        )
        tensors.append(
            OutputTensor(
                name=names.ROPE_FREQS, shape=factors.shape, dtype="f32", blocks=lambda: iter([factors])
            )
        )
    if rope.kind in {"linear", "yarn"}:
        writer.add_rope_scaling_type(gguf.RopeScalingType(rope.kind))
        writer.add_rope_scaling_factor(rope.factor)
    if rope.kind == "yarn":
        writer.add_rope_scaling_orig_ctx_len(original)
        if rope.attention_factor is not None:
            writer.add_rope_scaling_yarn_attn_factor(rope.attention_factor)
        if rope.beta_fast is not None:
            writer.add_rope_scaling_yarn_beta_fast(rope.beta_fast)
        if rope.beta_slow is not None:
            writer.add_rope_scaling_yarn_beta_slow(rope.beta_slow)


def _add_tokenizer_keys(writer: Any, tokenizer: Tokenizer, shape: ModelShape) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(tokenizer.pre)
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_types(tokenizer.types)
    writer.add_token_merges(tokenizer.merges)
    bos = shape.bos if tokenizer.bos is None else tokenizer.bos
    eos = shape.eos if tokenizer.eos is None else tokenizer.eos
    pad = shape.pad if tokenizer.pad is None else tokenizer.pad
    if bos is not None:
        writer.add_bos_token_id(bos)
    if eos is not None:
        writer.add_eos_token_id(eos)
    if pad is not None:
        writer.add_pad_token_id(pad)
    if tokenizer.eot is not None:
        writer.add_eot_token_id(tokenizer.eot)
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokenizer.chat_template)
