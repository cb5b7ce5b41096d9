"""Read the parts of a Hugging Face config.json that decide a GGUF, and refuse what a GGUF cannot say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from laimark_converters.architectures import Architecture, for_hf_class
from laimark_converters.errors import ConversionError


class Rope(msgspec.Struct, frozen=True, kw_only=True):
    """`rope_parameters` of transformers 5, or `rope_scaling` of the versions before it."""

    rope_type: str = "default"
    type: str = ""
    """The older name of `rope_type`."""
    rope_theta: float | None = None
    factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: int | None = None
    attention_factor: float | None = None
    beta_fast: float | None = None
    beta_slow: float | None = None

    @property
    def kind(self) -> str:
        return self.type if self.type and self.rope_type == "default" else self.rope_type


class _Config(msgspec.Struct, frozen=True, kw_only=True):
    architectures: list[str]
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    vocab_size: int
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-6
    hidden_act: str = "silu"
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    sliding_window: int | None = None
    use_sliding_window: bool | None = None
    quantization_config: dict[str, Any] | None = None
    rope_parameters: Rope | None = None
    rope_scaling: Rope | None = None
    rope_theta: float = 10000.0
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """Sizes of a decoder-only model and what its GGUF needs to know; every value was checked."""

    architecture: Architecture
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    context: int
    rms_eps: float
    tied: bool
    """The output projection is the embedding; no `output.weight` is stored."""
    rope: Rope
    rope_theta: float
    bos: int | None
    eos: int | None
    pad: int | None


ROPE_KINDS = ("default", "linear", "yarn", "llama3")


def read_shape(folder: Path) -> ModelShape:
    """Return the checked shape of the model in `folder`.

    Raises:
        ConversionError: config.json is missing or damaged, or the model cannot be expressed faithfully:
            an unknown architecture, rope type or activation, biases, sliding window, quantised weights.
    """
    file = folder / "config.json"
    try:
        config = msgspec.json.decode(file.read_bytes(), type=_Config)
    except OSError as error:
        raise ConversionError(f"{file} cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ConversionError(f"{file} is not a usable model configuration: {error}") from error
    if not config.architectures:
        raise ConversionError(f"{file} names no architecture")
    architecture = for_hf_class(config.architectures[0])
    _refuse_inexpressible(config, architecture)
    heads, kv_heads, head_dim = _heads(config, file)
    rope = config.rope_parameters or config.rope_scaling or Rope()
    if rope.kind not in ROPE_KINDS:
        raise ConversionError(
            f"{file} has the rope type {rope.kind!r}; {', '.join(ROPE_KINDS)} are converted"
        )
    eos = config.eos_token_id[0] if isinstance(config.eos_token_id, list) else config.eos_token_id
    return ModelShape(
        architecture=architecture,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        vocab=config.vocab_size,
        context=config.max_position_embeddings,
        rms_eps=config.rms_norm_eps,
        tied=config.tie_word_embeddings,
        rope=rope,
        rope_theta=config.rope_theta if rope.rope_theta is None else rope.rope_theta,
        bos=config.bos_token_id,
        eos=eos,
        pad=config.pad_token_id,
    )


def _heads(config: _Config, file: Path) -> tuple[int, int, int]:
    """Return (heads, kv_heads, head_dim) after checking that they divide as they must."""
    heads = config.num_attention_heads
    kv_heads = config.num_key_value_heads or heads
    sizes = (heads, kv_heads, config.hidden_size, config.intermediate_size, config.num_hidden_layers)
    if min(*sizes, config.vocab_size) < 1 or heads % kv_heads:
        raise ConversionError(
            f"{file} has impossible sizes: {heads} heads, {kv_heads} key-value heads, {sizes[2:]}"
        )
    head_dim = config.head_dim or config.hidden_size // heads
    if head_dim % 2:
        raise ConversionError(f"{file}: a head size of {head_dim} cannot be rotated in pairs")
    return heads, kv_heads, head_dim


def _refuse_inexpressible(config: _Config, architecture: Architecture) -> None:
    """Raise for what the model computes and the GGUF could not say."""
    windowed = config.sliding_window is not None and config.use_sliding_window is not False
    refusals = {
        f"quantised weights (quantization_config {config.quantization_config})": config.quantization_config
        is not None,
        f"hidden_act {config.hidden_act!r}": config.hidden_act != "silu",
        "attention_bias": config.attention_bias and not architecture.qkv_bias,
        "mlp_bias": config.mlp_bias,
        f"a sliding window of {config.sliding_window} tokens": windowed
        and (config.sliding_window or 0) < config.max_position_embeddings,
    }
    for reason, applies in refusals.items():
        if applies:
            raise ConversionError(
                f"the model uses {reason}, which is not converted",
                hint="use a base without it, or convert it with llama.cpp's own script",
            )
