"""Which model families are converted, and how; every other one is refused by name. Data, not code.

Source: llama.cpp `conversion/` (as shipped in the llama-cpp-python 0.3.36 sdist), every `modify_tensors` there, and the
`MODEL_TENSOR` names of gguf-py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from laimark_converters import names
from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """How the projections of one GGUF architecture relate to Hugging Face's."""

    gguf: str
    """`general.architecture`."""
    permuted: bool = False
    """Rows of q and k are reordered within each head, because ggml rotates neighbouring pairs there."""
    multi_head_only: bool = False
    """Permuted as others are only with as many key heads as query heads; for fewer llama.cpp's script divides them."""
    qkv_bias: bool = False
    """q, k and v carry biases in every model of the family."""
    qk_norm: bool = False
    """Each layer has `q_norm` and `k_norm` weights."""
    layers: str = "model.layers"
    """Hugging Face's path of the list of layers."""
    projections: Mapping[str, str] = field(default_factory=lambda: names.PROJECTIONS)
    """Hugging Face module -> ggml name of what a LoRA may sit on."""

    def permuted_heads(self, name: str, layer: int, base: GgufHeader) -> int:
        """Return the heads to reorder the rows of a layer's tensor `name` (`attn_q`) by; 0 leaves them.

        Raises:
            ConversionError: the base does not say how many heads it has, or groups them as is not known here.
        """
        if not self.permuted or name not in names.ROTATED:
            return 0
        heads, kv_heads = base.heads(layer), base.kv_heads(layer)
        if self.multi_head_only and heads != kv_heads:
            raise ConversionError(
                f"{base.file_name} has {heads} heads and {kv_heads} key-value heads; adapters for {self.gguf} are "
                "converted where they are as many"
            )
        return heads if name == "attn_q" else kv_heads


ARCHITECTURES: Mapping[str, Architecture] = {
    a.gguf: a
    for a in (
        Architecture(gguf="llama", permuted=True),
        Architecture(gguf="granite", permuted=True),
        Architecture(gguf="smollm3", permuted=True),
        Architecture(gguf="arcee", permuted=True),
        Architecture(gguf="mistral3", permuted=True),
        Architecture(gguf="nanbeige", permuted=True),
        Architecture(gguf="minicpm", permuted=True),
        Architecture(gguf="olmo", permuted=True),
        Architecture(gguf="deci", permuted=True),
        Architecture(gguf="xverse", permuted=True, multi_head_only=True),
        Architecture(gguf="deepseek", permuted=True),
        Architecture(gguf="qwen2", qkv_bias=True),
        Architecture(gguf="qwen3", qk_norm=True),
        Architecture(gguf="gemma"),
        Architecture(gguf="gemma2"),
        Architecture(gguf="gemma3"),
        Architecture(gguf="gemma4"),
        Architecture(gguf="phi2", projections=names.PHI2_PROJECTIONS),
        Architecture(gguf="phi3", projections=names.FUSED_PROJECTIONS),
        Architecture(gguf="stablelm"),
        Architecture(gguf="starcoder2", projections=names.STARCODER2_PROJECTIONS),
        Architecture(gguf="command-r"),
        Architecture(gguf="cohere2"),
        Architecture(gguf="olmo2"),
        Architecture(gguf="exaone", layers="transformer.h", projections=names.EXAONE_PROJECTIONS),
        Architecture(gguf="exaone4"),
        Architecture(gguf="nemotron"),
        Architecture(gguf="seed_oss"),
    )
}

_FUSED = "its q, k and v are one tensor in an order of its own"
_EXPERTS = "its experts are stacked into one tensor"
_LATENT = "its attention is split into latent projections"
_STATE_SPACE = "its layers are not all attention"
_ROTARY = "its q and k are reordered in a way that is not known here"

REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        ("bloom", "gptneox", "falcon", "gpt2", "mpt", "starcoder", "chatglm", "baichuan", "internlm2"), _FUSED
    ),
    **dict.fromkeys(
        ("qwen2moe", "qwen3moe", "llama4", "gpt-oss", "dbrx", "grok", "glm4moe", "ernie4_5-moe"), _EXPERTS
    ),
    **dict.fromkeys(("deepseek2", "minicpm3", "plm", "kimi-linear"), _LATENT),
    **dict.fromkeys(
        ("mamba", "mamba2", "jamba", "rwkv6", "rwkv7", "falcon-h1", "lfm2", "granitehybrid"), _STATE_SPACE
    ),
    **dict.fromkeys(("qwen3next", "qwen35", "qwen35moe"), _STATE_SPACE),
    **dict.fromkeys(("glm4", "qwen2vl", "qwen3vl", "ernie4_5"), _ROTARY),
}
"""`general.architecture` -> why no adapter is converted for it."""

HF_CLASSES: Mapping[str, str] = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "llama",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
}
"""Class named in config.json -> GGUF architecture. Mistral is served as `llama`."""


def for_hf_class(name: str) -> Architecture:
    """Return the architecture that a base of this Hugging Face class is written as.

    Raises:
        ConversionError: no base of that class is written here.
    """
    if name not in HF_CLASSES:
        raise ConversionError(
            f"config.json names the architecture {name!r}; a base GGUF is written for {', '.join(HF_CLASSES)}",
            hint="convert this base with llama.cpp's convert_hf_to_gguf.py and name the GGUF instead",
        )
    return ARCHITECTURES[HF_CLASSES[name]]


def for_gguf(name: str) -> Architecture:
    """Return the architecture that a served base names, when adapters for it are converted.

    Raises:
        ConversionError: they are not; the message gives the reason.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    reason = REFUSED.get(name, "nobody has compared its conversion with llama.cpp's yet")
    raise ConversionError(
        f"adapters for the architecture {name!r} are not converted: {reason}",
        hint=f"choose a base of {', '.join(ARCHITECTURES)}",
    )
