"""DoRA and IA3 adapters of tiny models, built, saved and merged by peft itself: the oracle of their merges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import IA3Config, LoraConfig, PeftConfig, PeftModel, get_peft_model
from tests.converters.tiny_models import ALL_LINEAR
from transformers import AutoModelForCausalLM

IA3_TARGETS = ("k_proj", "v_proj", "down_proj")


def build_dora(base: Path, folder: Path, *, strength: float = 0.15, **settings: Any) -> Path:
    """Write a DoRA over every projection whose magnitudes moved by about a fifth and B A by `strength`."""
    defaults: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": ALL_LINEAR, "use_dora": True}
    config = LoraConfig(**(defaults | settings))
    return _build(base, folder, config, strength)


def build_ia3(base: Path, folder: Path, **settings: Any) -> Path:
    """Write an IA3 on k, v and down whose factors differ from 1 by about a fifth."""
    targets: dict[str, Any] = {"target_modules": list(IA3_TARGETS), "feedforward_modules": ["down_proj"]}
    return _build(base, folder, IA3Config(**(targets | settings)), 0.0)


def merged_by_peft(base: Path, adapter: Path, folder: Path) -> Path:
    """Write the model with its adapter merged by peft, its tokenizer beside it."""
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    PeftModel.from_pretrained(model, str(adapter)).merge_and_unload().save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / file).write_bytes((base / file).read_bytes())
    return folder


def _build(base: Path, folder: Path, config: PeftConfig, strength: float) -> Path:
    torch.manual_seed(2)
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "magnitude" in name or "ia3_l" in name:
                parameter.mul_(1 + 0.2 * torch.randn_like(parameter))
            elif "lora_" in name:
                parameter.copy_(torch.randn_like(parameter) * strength)
    adapted.save_pretrained(str(folder))
    return folder
