"""Output layer and weighted cross entropy in one step, a chunk of tokens at a time.

Shapes: N tokens, D hidden size, V vocabulary.
"""

# ruff: noqa: N803 -- names end in the shape of their tensor

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

_SMALLEST = torch.finfo(torch.float32).tiny


def chunked_cross_entropy(
    hidden_ND: Tensor, embedding_VD: Tensor, targets_N: Tensor, weights_N: Tensor
) -> Tensor:
    """Return the sum over tokens of weight times negative log likelihood, in nats."""
    apply: Callable[..., Tensor] = ChunkedCrossEntropy.apply
    return apply(hidden_ND, embedding_VD, targets_N, weights_N)


class ChunkedCrossEntropy(torch.autograd.Function):
    """Output layer and weighted cross entropy in one, a chunk of tokens at a time.

    The logits of a batch do not fit a CPU's cache. Here they are made, turned into their gradient and used
    while they are in it (the idea of Liger Kernel's fused linear cross entropy, Hsu et al. 2024).
    """

    CHUNK_BY_DEVICE: ClassVar = {"cpu": 512, "cuda": 8192}

    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, embedding_VD: Tensor, targets_N: Tensor, weights_N: Tensor
    ) -> Tensor:
        total = hidden_ND.new_zeros((), dtype=torch.float32)
        hidden_gradient = torch.empty_like(hidden_ND)
        embedding_gradient = torch.zeros_like(embedding_VD, dtype=torch.float32)
        chunk = ChunkedCrossEntropy.CHUNK_BY_DEVICE[hidden_ND.device.type]
        for start in range(0, len(targets_N), chunk):
            rows = slice(start, start + chunk)
            hidden, targets, weights = hidden_ND[rows], targets_N[rows, None], weights_N[rows, None]
            # One exponential a logit: on a CPU they cost as much as the matrix product.
            gradient = torch.softmax(hidden @ embedding_VD.T, dim=-1, dtype=torch.float32)
            total -= (gradient.gather(1, targets).clamp_min(_SMALLEST).log() * weights).sum()
            gradient.mul_(weights)
            gradient.scatter_add_(1, targets, -weights)
            gradient_low = gradient.to(hidden.dtype)
            hidden_gradient[rows] = gradient_low @ embedding_VD
            embedding_gradient += gradient_low.T @ hidden
        ctx.save_for_backward(hidden_gradient, embedding_gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *scale: Tensor) -> tuple[Tensor, Tensor, None, None]:
        hidden_gradient, embedding_gradient = ctx.saved_tensors
        return hidden_gradient * scale[0], embedding_gradient * scale[0], None, None
