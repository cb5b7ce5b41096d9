"""Which served models become a folder to train on, and how their tensors are named there. Data, not code.

Sources: transformers 5.17 `models/*/modeling_*.py` for the module names, llama.cpp `src/models/*.cpp` (llama-cpp-python
0.3.36) for what each GGUF tensor is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from laimark_converters import names
from laimark_converters.errors import ConversionError

HINT = "set base.hf to the Hugging Face folder of this model"

_NO_BIAS: tuple[str, ...] = ()
_LLAMA_BIAS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
_FOUR_NORMS: Mapping[str, str] = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFamily:
    """How one GGUF architecture is called and laid out in transformers."""

    gguf: str
    """`general.architecture`."""
    hf_class: str
    model_type: str
    projections: Mapping[str, str] = field(default_factory=lambda: names.PROJECTIONS)
    """Hugging Face module -> ggml name."""
    norms: Mapping[str, str] = field(default_factory=lambda: names.NORMS)
    qk_norms: Mapping[str, str] = field(default_factory=dict)
    permuted: bool = False
    """Rows of q and k stand in ggml's order of neighbouring pairs."""
    always_biased: tuple[str, ...] = _NO_BIAS
    """Modules that carry a bias in every model of the family."""
    bias_settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Setting of config.json -> the modules that all carry a bias when it is true."""
    norm_shift: float = 0.0
    """Added to every norm in the GGUF: transformers adds it when it computes."""
    gelu: bool = False
    """The feed-forward layer is gated by GELU (tanh), not by SiLU."""


FAMILIES: Mapping[str, TrainingFamily] = {
    family.gguf: family
    for family in (
        TrainingFamily(
            gguf="llama",
            hf_class="LlamaForCausalLM",
            model_type="llama",
            permuted=True,
            bias_settings={
                "attention_bias": _LLAMA_BIAS,
                "mlp_bias": ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
            },
        ),
        TrainingFamily(
            gguf="qwen2", hf_class="Qwen2ForCausalLM", model_type="qwen2", always_biased=names.BIASED
        ),
        TrainingFamily(
            gguf="qwen3",
            hf_class="Qwen3ForCausalLM",
            model_type="qwen3",
            qk_norms=names.QK_NORMS,
            bias_settings={"attention_bias": _LLAMA_BIAS},
        ),
        TrainingFamily(
            gguf="phi3", hf_class="Phi3ForCausalLM", model_type="phi3", projections=names.FUSED_PROJECTIONS
        ),
        TrainingFamily(
            gguf="gemma", hf_class="GemmaForCausalLM", model_type="gemma", norm_shift=1.0, gelu=True
        ),
        TrainingFamily(
            gguf="gemma2",
            hf_class="Gemma2ForCausalLM",
            model_type="gemma2",
            norms=_FOUR_NORMS,
            norm_shift=1.0,
            gelu=True,
        ),
        TrainingFamily(
            gguf="gemma3",
            hf_class="Gemma3ForCausalLM",
            model_type="gemma3_text",
            norms=_FOUR_NORMS,
            qk_norms=names.QK_NORMS,
            norm_shift=1.0,
            gelu=True,
        ),
    )
}
"""Mistral is served as `llama` and trained as one: the two compute the same without a sliding window."""


def training_family(architecture: str) -> TrainingFamily:
    """Return the family of a served base.

    Raises:
        ConversionError: no folder to train on is made from a GGUF of that architecture.
    """
    if architecture in FAMILIES:
        return FAMILIES[architecture]
    raise ConversionError(
        f"no training base is made from a GGUF of the architecture {architecture!r}, only from {', '.join(FAMILIES)}",
        hint=HINT,
    )
