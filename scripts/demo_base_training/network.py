"""A plain Llama in torch whose parameter names are those of ``transformers.LlamaForCausalLM``.

Written out here, rather than taken from transformers, because a fixed graph compiles well, the sequences are
trees (see ``trees.py``) and the weighted loss is part of it. ``export.py`` writes the state dict as it is.

Shapes: B sequences, T tokens, D hidden size, H heads, K key/value heads, E head size, V vocabulary.
"""

# ruff: noqa: N803, N806, N815 -- names end in the shape of their tensor

from __future__ import annotations

from dataclasses import dataclass

import torch
from scripts.demo_base_training.cross_entropy import chunked_cross_entropy
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSize:
    """Sizes of the network; attention heads of ``head`` channels, queries grouped over ``kv_heads``."""

    vocabulary: int = 4096
    hidden: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    head: int = 64
    intermediate: int = 640
    positions: int = 2048
    rope_theta: float = 10000.0
    norm_epsilon: float = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some rows of ``trees.Rows`` as tensors, each (B, T); ``weights`` are those of the targets."""

    tokens: Tensor
    targets: Tensor
    weights: Tensor
    positions: Tensor
    trees: Tensor
    branches: Tensor
    limits: Tensor


class RMSNorm(nn.Module):
    """Root mean square norm with a gain (Zhang & Sennrich 2019)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x_BTD: Tensor) -> Tensor:
        x_BTD = x_BTD.float()
        return x_BTD * torch.rsqrt(x_BTD.square().mean(-1, keepdim=True) + self.epsilon) * self.weight


def rotary_tables(size: NetworkSize) -> tuple[Tensor, Tensor]:
    """Return cosines and sines, each (positions, E), of rotary position embedding in Llama's half-split form."""
    frequencies = size.rope_theta ** -(torch.arange(0, size.head, 2).float() / size.head)
    angles = torch.outer(torch.arange(size.positions).float(), frequencies).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotate(x_BHTE: Tensor, cos_B1TE: Tensor, sin_B1TE: Tensor) -> Tensor:
    """Turn each pair of channels by its position's angle."""
    first, second = x_BHTE.chunk(2, dim=-1)
    return x_BHTE * cos_B1TE + torch.cat((-second, first), dim=-1) * sin_B1TE


def visibility(trees_BT: Tensor, branches_BT: Tensor, limits_BT: Tensor) -> Tensor:
    """Return what is added to attention scores, (B, 1, T, T): 0 where a token may look, else minus infinity.

    A token sees the trunk of its tree below its limit, and those before it on its own branch.
    """
    index_T = torch.arange(trees_BT.shape[1], device=trees_BT.device)
    same_tree = trees_BT[:, :, None] == trees_BT[:, None, :]
    same_branch = branches_BT[:, :, None] == branches_BT[:, None, :]
    in_trunk = (branches_BT == 0)[:, None, :] & (index_T < limits_BT[:, :, None])
    seen = same_tree & (index_T <= index_T[:, None]) & (in_trunk | same_branch)
    return torch.where(seen, 0.0, float("-inf"))[:, None]


class Attention(nn.Module):
    """Grouped-query attention over what is visible.

    Plain matrix products: on a CPU, compiled, they take half the time of torch's fused kernel with a mask.
    """

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.size = size
        self.q_proj = nn.Linear(size.hidden, size.heads * size.head, bias=False)
        self.k_proj = nn.Linear(size.hidden, size.kv_heads * size.head, bias=False)
        self.v_proj = nn.Linear(size.hidden, size.kv_heads * size.head, bias=False)
        self.o_proj = nn.Linear(size.heads * size.head, size.hidden, bias=False)

    def forward(self, x_BTD: Tensor, cos_B1TE: Tensor, sin_B1TE: Tensor, visible_B1TT: Tensor) -> Tensor:
        batch, length, _ = x_BTD.shape
        groups = self.size.heads // self.size.kv_heads

        def heads(projected: Tensor, count: int) -> Tensor:
            return projected.view(batch, length, count, self.size.head).transpose(1, 2)

        query = rotate(heads(self.q_proj(x_BTD), self.size.heads), cos_B1TE, sin_B1TE)
        key = rotate(heads(self.k_proj(x_BTD), self.size.kv_heads), cos_B1TE, sin_B1TE)
        value = heads(self.v_proj(x_BTD), self.size.kv_heads).repeat_interleave(groups, dim=1)
        scores = (query * self.size.head**-0.5) @ key.repeat_interleave(groups, dim=1).mT
        mixed_BHTE = torch.softmax(scores.float() + visible_B1TT, dim=-1).to(value.dtype) @ value
        out: Tensor = self.o_proj(mixed_BHTE.transpose(1, 2).reshape(batch, length, -1))
        return out


class FeedForward(nn.Module):
    """SwiGLU feed-forward layer (Shazeer 2020)."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(size.hidden, size.intermediate, bias=False)
        self.up_proj = nn.Linear(size.hidden, size.intermediate, bias=False)
        self.down_proj = nn.Linear(size.intermediate, size.hidden, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x_BTD)) * self.up_proj(x_BTD))
        return out


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(size.hidden, size.norm_epsilon)
        self.self_attn = Attention(size)
        self.post_attention_layernorm = RMSNorm(size.hidden, size.norm_epsilon)
        self.mlp = FeedForward(size)

    def forward(self, x_BTD: Tensor, cos_B1TE: Tensor, sin_B1TE: Tensor, visible_B1TT: Tensor) -> Tensor:
        x_BTD = x_BTD + self.self_attn(self.input_layernorm(x_BTD), cos_B1TE, sin_B1TE, visible_B1TT)
        out: Tensor = x_BTD + self.mlp(self.post_attention_layernorm(x_BTD))
        return out


class Backbone(nn.Module):
    """Embedding, blocks and final norm; the part transformers calls ``model``."""

    cos_TE: Tensor
    sin_TE: Tensor

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(size.vocabulary, size.hidden)
        self.layers = nn.ModuleList(Block(size) for _ in range(size.layers))
        self.norm = RMSNorm(size.hidden, size.norm_epsilon)
        cos, sin = rotary_tables(size)
        self.register_buffer("cos_TE", cos, persistent=False)
        self.register_buffer("sin_TE", sin, persistent=False)

    def forward(self, tokens_BT: Tensor, positions_BT: Tensor, visible_B1TT: Tensor) -> Tensor:
        x_BTD = self.embed_tokens(tokens_BT)
        cos_B1TE, sin_B1TE = self.cos_TE[positions_BT][:, None], self.sin_TE[positions_BT][:, None]
        for block in self.layers:
            x_BTD = block(x_BTD, cos_B1TE, sin_B1TE, visible_B1TT)
        out: Tensor = self.norm(x_BTD)
        return out


class Llama(nn.Module):
    """Language model with tied embeddings."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.model = Backbone(size)
        for name, parameter in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(parameter)  # every block starts as the identity
            elif parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02 if "embed" in name else size.hidden**-0.5)

    def hidden(self, batch: Batch) -> Tensor:
        """Return the last hidden states (B, T, D)."""
        visible_B1TT = visibility(batch.trees, batch.branches, batch.limits)
        hidden_BTD: Tensor = self.model(batch.tokens, batch.positions, visible_B1TT)
        return hidden_BTD

    def logits(self, batch: Batch) -> Tensor:
        """Return logits (B, T, V)."""
        return F.linear(self.hidden(batch), self.model.embed_tokens.weight)

    def weighted_loss(self, batch: Batch) -> Tensor:
        """Return the weighted mean loss, in nats, of predicting every target of the batch.

        Targets of weight 0, such as padding and template, cost nothing in the output layer.
        """
        weights_N = batch.weights.flatten()
        wanted = weights_N.nonzero().squeeze(1)
        return chunked_cross_entropy(
            self.hidden(batch).flatten(0, 1)[wanted].bfloat16(),
            self.model.embed_tokens.weight.bfloat16(),
            batch.targets.flatten()[wanted],
            weights_N[wanted] / weights_N.sum(),
        )
