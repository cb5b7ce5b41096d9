"""Which model families are converted, and how; every other one is refused by name. Data, not code.

Source: llama.cpp `conversion/` (as shipped in the llama-cpp-python 0.3.36 sdist): `LlamaModel.undo_permute`,
`Qwen2Model`, `Qwen3Model`, and the `MODEL_TENSOR` names of gguf-py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from laimark_converters.errors import ConversionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """How the projections of one GGUF architecture relate to Hugging Face's."""

    gguf: str
    """`general.architecture`."""
    permuted: bool = False
    """Rows of q and k are reordered within each head, because ggml rotates neighbouring pairs there."""
    qkv_bias: bool = False
    """q, k and v carry biases in every model of the family."""
    qk_norm: bool = False
    """Each layer has `q_norm` and `k_norm` weights."""
    base: bool = False
    """`write_base_gguf` can write a base model of this architecture, not only adapters for it."""


ARCHITECTURES: Mapping[str, Architecture] = {
    a.gguf: a
    for a in (
        Architecture(gguf="llama", permuted=True, base=True),
        Architecture(gguf="qwen2", qkv_bias=True, base=True),
        Architecture(gguf="qwen3", qk_norm=True, base=True),
    )
}

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
