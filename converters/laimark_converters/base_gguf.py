"""Write the GGUF of a base model from its Hugging Face folder, without torch and tensor by tensor.

llama.cpp's own script refuses locally trained tokenizers (it knows tokenizers by a hash of token ids) and
needs torch and transformers. Source of keys and tensor order: llama.cpp `conversion/base.py`, `llama.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from laimark_converters import gguf_output, names
from laimark_converters.atomic import replacing
from laimark_converters.base_plan import Planned, plan
from laimark_converters.gguf_output import Dtype, OutputTensor
from laimark_converters.hf_config import ModelShape, read_shape
from laimark_converters.rotary import llama3_factors, permute_rows
from laimark_converters.safetensors_index import StoredTensor, read_model_index
from laimark_converters.tokenizer import Tokenizer, read_tokenizer

FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}
"""`general.file_type` of a file whose matrices are mostly of that type."""


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
    tensors = [_output(planned, stored, dtype) for planned in plan(shape, stored)]
    writer = gguf_output.new_writer(shape.architecture.gguf)
    _add_model_keys(writer, shape, dtype)
    _add_rope_keys(writer, shape, tensors)
    _add_tokenizer_keys(writer, tokenizer, shape)
    with replacing(out) as temporary:
        gguf_output.write(writer, temporary, tensors)


def _output(planned: Planned, stored: Mapping[str, StoredTensor], dtype: Dtype) -> OutputTensor:
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
            # llama.cpp multiplies by 1 + 0.1 ln(factor) whatever the file says.
            writer.add_rope_scaling_attn_factors(
                rope.attention_factor / (1.0 + 0.1 * log(max(rope.factor, 1.0)))
            )
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
