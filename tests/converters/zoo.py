"""A random model of a few thousand weights for every architecture that transformers has, and its PEFT adapter."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import LoraConfig, get_peft_model
from tests.converters.tiny_models import SIZES

from laimark_converters.architectures import ARCHITECTURES

_PLAIN: dict[str, Any] = SIZES | {"head_dim": 16, "num_hidden_layers": 2}
_YARN: dict[str, Any] = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 2.0,
    "original_max_position_embeddings": 128,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "llama_4_scaling_beta": 0.0,
}
CONFIGS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {}),
    "granite": ("Granite", {"attention_multiplier": 0.25, "residual_multiplier": 0.7, "logits_scaling": 2.0}),
    "smollm3": ("SmolLM3", {"num_hidden_layers": 4, "no_rope_layer_interval": 4}),
    "arcee": ("Arcee", {}),
    "mistral3": ("Ministral3", {"rope_parameters": _YARN}),
    "olmo": ("Olmo", {"tie_word_embeddings": True}),
    "qwen2": ("Qwen2", {}),
    "qwen3": ("Qwen3", {}),
    "gemma": ("Gemma", {}),
    "gemma2": ("Gemma2", {"query_pre_attn_scalar": 16}),
    "gemma3": ("Gemma3", {"query_pre_attn_scalar": 16, "sliding_window": 128}),
    "gemma4": (
        "Gemma4",
        {
            "global_head_dim": 32,
            "sliding_window": 128,
            "layer_types": ["sliding_attention", "full_attention"],
            "vocab_size_per_layer_input": 4096,
            "hidden_size_per_layer_input": 16,
        },
    ),
    "phi2": (
        "Phi",
        {
            "partial_rotary_factor": 0.5,
            "hidden_act": "gelu_new",
            "num_key_value_heads": 4,
            "intermediate_size": 256,
        },
    ),
    "phi3": ("Phi3", {"sliding_window": None, "bos_token_id": 0}),
    "stablelm": ("StableLm", {"partial_rotary_factor": 0.5, "use_qkv_bias": True}),
    "starcoder2": ("Starcoder2", {"sliding_window": None, "hidden_act": "gelu_pytorch_tanh"}),
    "command-r": ("Cohere", {"logit_scale": 0.25, "model_max_length": 256}),
    "cohere2": ("Cohere2", {"sliding_window": 128, "logit_scale": 0.25, "rotary_pct": 1.0}),
    "olmo2": ("Olmo2", {}),
    "exaone4": ("Exaone4", {"sliding_window": None, "layer_types": ["full_attention"] * 2}),
    "nemotron": ("Nemotron", {"partial_rotary_factor": 0.5}),
    "seed_oss": ("SeedOss", {}),
}
"""GGUF architecture -> transformers' name for it, and the settings beyond `SIZES` that its tiny model needs."""


def build_base(architecture: str, tokenizer_dir: Path, folder: Path) -> Path:
    """Write a random model of `architecture` with the tokenizer of `tokenizer_dir` to `folder`."""
    torch.manual_seed(0)
    name, settings = CONFIGS[architecture]
    kind = f"{name}TextConfig" if hasattr(transformers, f"{name}TextConfig") else f"{name}Config"
    config = getattr(transformers, kind)(**(_PLAIN | settings))
    model: Any = getattr(transformers, f"{name}ForCausalLM")(config)
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if path.endswith(("bias", "norm.weight")):
                parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(tokenizer_dir / file, folder / file)
    return folder


def build_adapter(architecture: str, base: Path, folder: Path) -> Path:
    """Write a LoRA adapter with random A and B over every projection of the model in `base`, saved by peft."""
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    projections = {path.rsplit(".", 1)[-1] for path in ARCHITECTURES[architecture].projections}
    adapted = get_peft_model(
        model, LoraConfig(r=4, lora_alpha=8, target_modules=sorted(projections), task_type="CAUSAL_LM")
    )
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn_like(parameter) * 0.15)
    adapted.save_pretrained(str(folder))
    return folder
