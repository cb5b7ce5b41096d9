"""Random models of a few thousand weights and PEFT adapters for them, built with transformers and peft themselves."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": 4096,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
CONFIGS: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**SIZES, tie_word_embeddings=True),
    "mistral": MistralConfig(**SIZES, sliding_window=None, tie_word_embeddings=False),
    "qwen2": Qwen2Config(**(SIZES | {"head_dim": 16}), tie_word_embeddings=True),
    "qwen3": Qwen3Config(**SIZES, tie_word_embeddings=True),
}
ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def build_base(family: str, tokenizer_dir: Path, folder: Path, **changes: Any) -> Path:
    """Write a random model of `family` with the tokenizer of `tokenizer_dir` to `folder`."""
    torch.manual_seed(0)
    config = CONFIGS[family].__class__.from_dict(CONFIGS[family].to_dict() | changes)
    model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("bias", "norm.weight")):
                parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    copy_tokenizer(tokenizer_dir, folder)
    return folder


def copy_tokenizer(tokenizer_dir: Path, folder: Path) -> None:
    """Give the model in `folder` the tokenizer and the template of another one."""
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(tokenizer_dir / name, folder / name)


def build_adapter(base: Path, folder: Path, **settings: Any) -> Path:
    """Write a LoRA adapter with random A and B for the model in `base`, saved by peft."""
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    defaults: dict[str, Any] = {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ALL_LINEAR,
        "task_type": "CAUSAL_LM",
    }
    adapted = get_peft_model(model, LoraConfig(**(defaults | settings)))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn_like(parameter) * 0.15)
    adapted.save_pretrained(str(folder))
    return folder


def torch_logits(base: Path, ids: list[int], adapter: Path | None = None) -> torch.Tensor:
    """Return the logits (token, vocabulary) that transformers and peft compute in float32."""
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter))
    model.eval()
    with torch.no_grad():
        logits: torch.Tensor = model(torch.tensor([ids])).logits[0].float()
    return logits
