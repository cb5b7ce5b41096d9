"""config.json of a served model, from the keys of its GGUF: what transformers computes is then what llama.cpp computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from laimark_converters import dequantise, names
from laimark_converters.errors import ConversionError
from laimark_converters.gguf_keys import ArchitectureKeys
from laimark_converters.header import GgufHeader
from laimark_converters.training_families import HINT, TrainingFamily, training_family
from laimark_converters.training_rope import Rope, keyed_rope, llama3_rope, longrope

Config = dict[str, Any]
ROPE_SHORT, ROPE_LONG = "rope_factors_short.weight", "rope_factors_long.weight"
_GEMMA2_27B, _GEMMA3_27B = 46, 62
"""Layers by which llama.cpp knows the two models whose attention is scaled by hidden / heads."""


def training_config(gguf: Path, header: GgufHeader, *, window: int = 0) -> Config:
    """Return the content of config.json.

    Args:
        gguf: the served base.
        header: of it.
        window: tokens of the runner's context, which decides what phi3 computes; 0: a narrow one.

    Raises:
        ConversionError: the architecture is not known here, a key is missing or senseless, or the model does
            something that transformers' class for it does not.
    """
    family, keys = training_family(header.architecture), ArchitectureKeys(header)
    if keys.real("expert_count", 0.0):
        raise ConversionError(
            f"{header.file_name} has experts, whose training base is not made here", hint=HINT
        )
    vocab, hidden = _embedding_shape(header)
    layers, heads = keys.whole("block_count"), keys.whole("attention.head_count")
    if f"blk.{layers - 1}.attn_norm.weight" not in header.tensors:
        raise ConversionError(f"{header.file_name} lacks layer {layers - 1}, which its keys announce")
    head_dim = keys.whole("attention.key_length", hidden // heads)
    if head_dim < 2 or head_dim % 2:
        raise ConversionError(f"{header.file_name} has heads of {head_dim} values, which cannot be rotated")
    if keys.whole("attention.value_length", hidden // heads) != head_dim:
        raise ConversionError(f"{header.file_name}: keys and values have heads of different sizes", hint=HINT)
    config: Config = {
        "architectures": [family.hf_class],
        "model_type": family.model_type,
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": keys.whole("feed_forward_length"),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": keys.whole("attention.head_count_kv", heads),
        "head_dim": head_dim,
        "max_position_embeddings": keys.whole("context_length"),
        "rms_norm_eps": keys.real("attention.layer_norm_rms_epsilon", 1e-6),
        "tie_word_embeddings": names.OUTPUT not in header.tensors,
        "hidden_act": "gelu_pytorch_tanh" if family.gelu else "silu",
        "rope_parameters": _rope(gguf, header, keys, head_dim=head_dim, window=window),
        **_token_ids(header),
    }
    for setting, modules in family.bias_settings.items():
        config[setting] = f"blk.0.{family.projections[modules[0]]}.bias" in header.tensors
    return config | _peculiarities(family, keys, config)


def _embedding_shape(header: GgufHeader) -> tuple[int, int]:
    """Return (vocabulary, hidden)."""
    if names.EMBEDDING not in header.tensors:
        raise ConversionError(f"{header.file_name} lacks {names.EMBEDDING}")
    shape = header.tensors[names.EMBEDDING].shape
    if len(shape) != 2:
        raise ConversionError(f"{header.file_name}: {names.EMBEDDING} has the shape {list(shape)}")
    return shape[0], shape[1]


def _rope(gguf: Path, header: GgufHeader, keys: ArchitectureKeys, *, head_dim: int, window: int) -> Rope:
    theta, context = keys.real("rope.freq_base", 10000.0), keys.whole("context_length")
    if theta <= 0:
        raise ConversionError(f"{header.file_name}: its rotary embedding turns by {theta:g}")
    rotated = keys.whole("rope.dimension_count", head_dim)
    partly = header.architecture == "phi3" and rotated < head_dim and rotated % 2 == 0
    if rotated != head_dim and not partly:
        raise ConversionError(
            f"{header.file_name} rotates {rotated} of {head_dim} dimensions of a head", hint=HINT
        )
    rope = keyed_rope(keys, theta=theta, context=context)
    stored = {
        name: header.tensors[name]
        for name in (names.ROPE_FREQS, ROPE_SHORT, ROPE_LONG)
        if name in header.tensors
    }
    if not stored:
        return rope | ({"partial_rotary_factor": rotated / head_dim} if header.architecture == "phi3" else {})
    if rope["rope_type"] != "default" or any(tensor.shape != (rotated // 2,) for tensor in stored.values()):
        raise ConversionError(
            f"{header.file_name} scales its rotary embedding twice, or by divisors of another size", hint=HINT
        )
    if set(stored) == {names.ROPE_FREQS} and header.architecture == "llama":
        return llama3_rope(dequantise.vector(gguf, stored[names.ROPE_FREQS]), theta=theta, head_dim=head_dim)
    if set(stored) == {ROPE_SHORT, ROPE_LONG} and header.architecture == "phi3":
        short, long = (dequantise.vector(gguf, stored[name]) for name in (ROPE_SHORT, ROPE_LONG))
        return longrope(keys, short, long, theta=theta, context=context, window=window) | {
            "partial_rotary_factor": rotated / head_dim
        }
    raise ConversionError(
        f"{header.file_name} has {', '.join(stored)}, which {header.architecture} is not known to use",
        hint=HINT,
    )


def _peculiarities(family: TrainingFamily, keys: ArchitectureKeys, config: Config) -> Config:
    """Return what only one family has; it overrides the common settings."""
    match family.gguf:
        case "phi3":
            # llama.cpp ignores phi3's sliding window, so training must as well.
            original = keys.whole("rope.scaling.original_context_length", config["max_position_embeddings"])
            return {"original_max_position_embeddings": original, "sliding_window": None}
        case "gemma2":
            layers = config["num_hidden_layers"]
            return _gemma(config, keys, period=2, default_window=4096, wide=layers == _GEMMA2_27B) | {
                "attn_logit_softcapping": keys.real("attn_logit_softcapping", 50.0),
                "final_logit_softcapping": keys.real("final_logit_softcapping", 30.0),
            }
        case "gemma3":
            layers = config["num_hidden_layers"]
            local = {"rope_type": "default", "rope_theta": keys.real("rope.freq_base_swa", 10000.0)}
            rope = {"full_attention": config["rope_parameters"], "sliding_attention": local}
            return _gemma(config, keys, period=6, default_window=0, wide=layers == _GEMMA3_27B) | {
                "rope_parameters": rope,
                "final_logit_softcapping": keys.real("final_logit_softcapping", 0.0) or None,
            }
        case "gemma":
            return {"hidden_activation": config["hidden_act"]}
        case _:
            return {}


def _gemma(config: Config, keys: ArchitectureKeys, *, period: int, default_window: int, wide: bool) -> Config:
    """Return the layers' windows and the attention's scale of gemma 2 and 3.

    Args:
        config: the common settings.
        keys: of the served base.
        period: every so many layers one attends to everything, where no key says which.
        default_window: tokens, where no key says; 0: there are no windows.
        wide: the scale is hidden / heads, not the head's size.
    """
    layers, window = config["num_hidden_layers"], int(keys.real("attention.sliding_window", default_window))
    pattern = "attention.sliding_window_pattern"
    slides = keys.flags(pattern)
    if slides is None:
        period = keys.whole(pattern, period)
        slides = tuple(layer % period < period - 1 for layer in range(layers))
    if len(slides) != layers:
        raise ConversionError(f"{pattern} speaks of {len(slides)} of {layers} layers")
    types = ["sliding_attention" if window > 0 and one else "full_attention" for one in slides]
    scalar = config["hidden_size"] // config["num_attention_heads"] if wide else config["head_dim"]
    return {
        "layer_types": types,
        "sliding_window": window if window > 0 else 4096,
        "query_pre_attn_scalar": scalar,
        "hidden_activation": config["hidden_act"],
    }


def _token_ids(header: GgufHeader) -> Config:
    named = (("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding"))
    found = {name: header.keys.get(f"tokenizer.ggml.{key}_token_id") for name, key in named}
    return {name: value if isinstance(value, int) else None for name, value in found.items()}
