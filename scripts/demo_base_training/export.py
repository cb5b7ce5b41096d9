"""The folder a runner loads: a transformers checkpoint in 16-bit floats with tokenizer and chat template."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from scripts.demo_base_training.network import Llama, NetworkSize
from scripts.demo_base_training.tokenizer import (
    CHAT_TEMPLATE,
    END_OF_TEXT,
    END_OF_TEXT_ID,
    TURN_END,
    TURN_END_ID,
)
from tokenizers import Tokenizer
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast


def export_base(folder: Path, network: Llama, size: NetworkSize, tokenizer: Tokenizer) -> None:
    """Write configuration, weights, tokenizer and chat template to ``folder``."""
    model = untyped(LlamaForCausalLM)(llama_config(size))
    missing, unexpected = model.load_state_dict(network.state_dict(), strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise ValueError(f"names differ from transformers' Llama: missing {missing}, unexpected {unexpected}")
    model.tie_weights()
    model.generation_config = untyped(GenerationConfig)(
        bos_token_id=END_OF_TEXT_ID, eos_token_id=TURN_END_ID, pad_token_id=END_OF_TEXT_ID
    )
    model.to(torch.float16).save_pretrained(folder)
    wrapped = untyped(PreTrainedTokenizerFast)(
        tokenizer_object=tokenizer, bos_token=END_OF_TEXT, eos_token=TURN_END, pad_token=END_OF_TEXT
    )
    wrapped.chat_template = CHAT_TEMPLATE
    wrapped.save_pretrained(folder)


def llama_config(size: NetworkSize) -> LlamaConfig:
    """Return the transformers configuration of a network of this size."""
    return LlamaConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.hidden,
        intermediate_size=size.intermediate,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.kv_heads,
        head_dim=size.head,
        max_position_embeddings=size.positions,
        rms_norm_eps=size.norm_epsilon,
        rope_parameters={"rope_type": "default", "rope_theta": size.rope_theta},
        tie_word_embeddings=True,
        bos_token_id=END_OF_TEXT_ID,
        eos_token_id=TURN_END_ID,
        pad_token_id=END_OF_TEXT_ID,
    )


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write ``facts.json``."""
    (folder / "facts.json").write_text(
        json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def replace_folder_files(source: Path, target: Path) -> None:
    """Move every file of ``source`` into ``target``, over those of the same name."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        shutil.copyfile(path, target / path.name)


def untyped(build: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``build`` for a strict type checker to let it be called; transformers leaves it half typed."""
    return build
