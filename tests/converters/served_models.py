"""Tiny models as a runner serves them: of every family that can be trained on, in every type, quantised by llama.cpp itself.

Rows are multiples of 256 values, without which there are no k-quants.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import llama_cpp
import numpy as np
import torch
from tests.converters import tiny_models
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from laimark_converters.base_gguf import write_base_gguf
from laimark_converters.tokenizer import read_tokenizer

VOCAB, LAYERS = 4096, 2
SIZES: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCAB,
    "max_position_embeddings": 512,
    "initializer_range": 0.1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "rope_theta": 500.0,
    "original_max_position_embeddings": 64,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 100.0, "original_max_position_embeddings": 64}
LINEAR = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 100.0,
    "short_factor": [1.0 + 0.05 * i for i in range(16)],
    "long_factor": [1.0 + 0.5 * i for i in range(16)],
    "original_max_position_embeddings": 256,
    "partial_rotary_factor": 0.5,
}
SLIDING = {"rope_type": "default", "rope_theta": 10000.0}
GEMMA3_ROPE = {
    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
    "sliding_attention": SLIDING,
}
_GEMMA = SIZES | {"head_dim": 64}
FAMILIES: dict[str, Callable[[], PreTrainedConfig]] = {
    "llama": lambda: LlamaConfig(**SIZES, head_dim=64, tie_word_embeddings=False),
    "llama3": lambda: LlamaConfig(**SIZES, head_dim=64, tie_word_embeddings=True, rope_parameters=LLAMA3),
    "yarn": lambda: LlamaConfig(**SIZES, head_dim=64, tie_word_embeddings=True, rope_parameters=YARN),
    "linear": lambda: LlamaConfig(**SIZES, head_dim=64, tie_word_embeddings=True, rope_parameters=LINEAR),
    "mistral": lambda: MistralConfig(**SIZES, head_dim=64, sliding_window=None, tie_word_embeddings=False),
    "qwen2": lambda: Qwen2Config(**SIZES, tie_word_embeddings=True),
    "qwen3": lambda: Qwen3Config(**SIZES, head_dim=128, tie_word_embeddings=False),
    "phi3": lambda: Phi3Config(**SIZES, tie_word_embeddings=False),
    "phi3-longrope": lambda: Phi3Config(
        **SIZES, original_max_position_embeddings=256, rope_parameters=LONGROPE, tie_word_embeddings=True
    ),
    "gemma": lambda: GemmaConfig(**_GEMMA),
    "gemma2": lambda: Gemma2Config(**_GEMMA, query_pre_attn_scalar=64, sliding_window=16),
    "gemma3": lambda: Gemma3TextConfig(
        **(_GEMMA | {"num_hidden_layers": 6}),
        query_pre_attn_scalar=64,
        sliding_window=16,
        rope_parameters=GEMMA3_ROPE,
    ),
}
QUANTISED = {
    "q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0,
    "q6_k": llama_cpp.LLAMA_FTYPE_MOSTLY_Q6_K,
    "q4_k_m": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M,
}
_OURS = {"llama", "mistral", "qwen2", "qwen3"}


def build_hf(family: str, demo_base: Path, folder: Path) -> Path:
    """Write a random model of `family` with the demo base's tokenizer; its norms and biases are no ones and zeros."""
    torch.manual_seed(0)
    config = FAMILIES[family]()
    model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("bias", "norm.weight", "layernorm.weight")):
                parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    tiny_models.copy_tokenizer(demo_base, folder)
    return folder


def serve(hf_dir: Path, file: Path) -> Path:
    """Write the model's GGUF, matrices in f16, as llama.cpp's own script names keys and tensors."""
    config: Any = AutoModelForCausalLM.from_pretrained(hf_dir).config
    if config.model_type in _OURS:
        write_base_gguf(hf_dir, file, dtype="f16")
    else:
        _write_by_gguf_names(hf_dir, config, file)
    return file


def quantise(source: Path, file: Path, kind: str) -> Path:
    """Quantise a GGUF as `llama-quantize` does."""
    options = llama_cpp.llama_model_quantize_default_params()
    options.ftype, options.nthread = QUANTISED[kind], 1
    assert llama_cpp.llama_model_quantize(str(source).encode(), str(file).encode(), options) == 0
    return file


def _write_by_gguf_names(hf_dir: Path, config: Any, file: Path) -> None:
    name = config.model_type.removesuffix("_text")
    writer = gguf.GGUFWriter(file, name)
    _add_keys(writer, config, name)
    tokens = read_tokenizer(hf_dir, config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(tokens.pre)
    writer.add_token_list(tokens.tokens)
    writer.add_token_types(tokens.types)
    writer.add_token_merges(tokens.merges)
    assert tokens.eos is not None
    writer.add_eos_token_id(tokens.eos)
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokens.chat_template)
    model: Any = AutoModelForCausalLM.from_pretrained(hf_dir, dtype=torch.float32)
    arch = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == name)
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    for key, parameter in model.named_parameters():
        values = parameter.detach().numpy()
        if name.startswith("gemma") and key.endswith("norm.weight"):
            values = values + 1
        kind = np.float32 if values.ndim == 1 else np.float16
        served = names.get_name(key, (".weight", ".bias"))
        assert served is not None, key
        writer.add_tensor(served, values.astype(kind))
    if name == "phi3" and config.rope_parameters["rope_type"] == "longrope":
        for length in ("long", "short"):
            factors = np.array(config.rope_parameters[f"{length}_factor"], np.float32)
            writer.add_tensor(f"rope_factors_{length}.weight", factors)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_keys(writer: Any, config: Any, name: str) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    rope = config.rope_parameters
    if name == "phi3":
        head_dim = config.hidden_size // config.num_attention_heads
        writer.add_rope_dimension_count(int(head_dim * rope["partial_rotary_factor"]))
        writer.add_rope_freq_base(rope["rope_theta"])
        writer.add_rope_scaling_orig_ctx_len(config.original_max_position_embeddings)
        writer.add_sliding_window(0)
        if rope["rope_type"] == "longrope":
            scale = config.max_position_embeddings / config.original_max_position_embeddings
            writer.add_rope_scaling_attn_factors(
                float(np.sqrt(1 + np.log(scale) / np.log(config.original_max_position_embeddings)))
            )
        return
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    if name == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
        writer.add_sliding_window(config.sliding_window)
    if name == "gemma3":
        writer.add_rope_freq_base(rope["full_attention"]["rope_theta"])
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["full_attention"]["factor"])
        writer.add_sliding_window(config.sliding_window)
