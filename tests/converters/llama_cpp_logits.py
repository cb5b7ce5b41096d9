"""Logits as llama.cpp computes them, through its C interface: the runner's own arithmetic."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import torch


@contextlib.contextmanager
def opened(gguf: Path) -> Iterator[Any]:
    """Load a model quietly with an f32 cache, so that what differs is the file and not the cache."""
    model = llama_cpp.Llama(
        str(gguf),
        verbose=False,
        n_ctx=256,
        n_threads=1,
        n_threads_batch=1,
        logits_all=True,
        type_k=llama_cpp.GGML_TYPE_F32,
        type_v=llama_cpp.GGML_TYPE_F32,
    )
    try:
        yield model
    finally:
        model.close()


def served_logits(gguf: Path, ids: list[int], adapter: Path | None = None) -> torch.Tensor:
    """Return the logits (token, vocabulary) of the served base, with the adapter at strength 1."""
    with opened(gguf) as model:
        loaded = None
        if adapter is not None:
            loaded = llama_cpp.llama_adapter_lora_init(model.model, str(adapter).encode())
            assert loaded, f"llama.cpp refuses {adapter}"
            adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(loaded)
            scales = (ctypes.c_float * 1)(1.0)
            assert llama_cpp.llama_set_adapters_lora(model.ctx, adapters, 1, scales) == 0
        model.eval(ids)
        return torch.from_numpy(np.array(model.scores[: len(ids)]))


def tokens(gguf: Path, text: str) -> list[int]:
    """Return the ids that llama.cpp makes of a text, special tokens recognised."""
    model = llama_cpp.Llama(str(gguf), vocab_only=True, verbose=False)
    try:
        ids: list[int] = model.tokenize(text.encode(), add_bos=False, special=True)
        return ids
    finally:
        model.close()


def mean_kl(expected: torch.Tensor, found: torch.Tensor) -> float:
    """Return the mean over tokens of KL(expected || found), in nats."""
    p, q = torch.log_softmax(expected.double(), -1), torch.log_softmax(found.double(), -1)
    return float((p.exp() * (p - q)).sum(-1).mean())


def largest_difference(expected: torch.Tensor, found: torch.Tensor) -> float:
    """Return the largest absolute difference of any logit."""
    return float((expected - found).abs().max())
