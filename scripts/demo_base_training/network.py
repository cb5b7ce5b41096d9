"""A plain Llama in torch whose parameter names are those of ``transformers.LlamaForCausalLM``.

Written out here, rather than taken from transformers, because a fixed graph compiles well and the weighted
loss is part of it. ``export.py`` writes the state dict as it is.

Shapes: B conversations, T tokens, D hidden size, H heads, K key/value heads, E head size, V vocabulary.
"""

# ruff: noqa: N803, N806, N815 -- names end in the shape of their tensor

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from scripts.demo_base_training.cross_entropy import chunked_cross_entropy
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSize:
    """Sizes of the network; attention heads of ``head`` channels, queries grouped over ``kv_heads``."""

    vocabulary: int = 4096
    hidden: int = 192
    layers: int = 6
    heads: int = 6
    kv_heads: int = 2
    head: int = 32
    intermediate: int = 512
    positions: int = 2048
    rope_theta: float = 10000.0
    norm_epsilon: float = 1e-6


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


def rotate(x_BHTE: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
    """Turn each pair of channels by its position's angle."""
    first, second = x_BHTE.chunk(2, dim=-1)
    return x_BHTE * cos_TE + torch.cat((-second, first), dim=-1) * sin_TE


class Attention(nn.Module):
    """Causal grouped-query attention."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.size = size
        self.q_proj = nn.Linear(size.hidden, size.heads * size.head, bias=False)
        self.k_proj = nn.Linear(size.hidden, size.kv_heads * size.head, bias=False)
        self.v_proj = nn.Linear(size.hidden, size.kv_heads * size.head, bias=False)
        self.o_proj = nn.Linear(size.heads * size.head, size.hidden, bias=False)

    def forward(self, x_BTD: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
        batch, length, _ = x_BTD.shape
        groups = self.size.heads // self.size.kv_heads

        def heads(projected: Tensor, count: int) -> Tensor:
            return projected.view(batch, length, count, self.size.head).transpose(1, 2)

        query = rotate(heads(self.q_proj(x_BTD), self.size.heads), cos_TE, sin_TE)
        key = rotate(heads(self.k_proj(x_BTD), self.size.kv_heads), cos_TE, sin_TE)
        value = heads(self.v_proj(x_BTD), self.size.kv_heads)
        mixed_BHTE = F.scaled_dot_product_attention(
            query.to(value.dtype),
            key.to(value.dtype).repeat_interleave(groups, dim=1),
            value.repeat_interleave(groups, dim=1),
            is_causal=True,
        )
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

    def forward(self, x_BTD: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
        x_BTD = x_BTD + self.self_attn(self.input_layernorm(x_BTD), cos_TE, sin_TE)
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

    def forward(self, tokens_BT: Tensor) -> Tensor:
        length = tokens_BT.shape[1]
        x_BTD = self.embed_tokens(tokens_BT)
        for block in self.layers:
            x_BTD = block(x_BTD, self.cos_TE[:length], self.sin_TE[:length])
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

    def load_exported(self, folder: Path) -> None:
        """Take the weights of an exported base of the same size."""
        weights = load_file(folder / "model.safetensors")
        self.load_state_dict(
            {name: tensor.float() for name, tensor in weights.items() if name != "lm_head.weight"}
        )

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Return logits (B, T, V)."""
        return F.linear(self.model(tokens_BT), self.model.embed_tokens.weight)

    def weighted_loss(self, tokens_BT: Tensor, weights_BT: Tensor) -> Tensor:
        """Return the weighted mean loss, in nats, of predicting every token from those before it.

        Tokens of weight 0, such as padding and template, cost nothing in the output layer.
        """
        hidden_BTD = self.model(tokens_BT[:, :-1])
        weights_N = weights_BT[:, 1:].flatten()
        wanted = weights_N.nonzero().squeeze(1)
        return chunked_cross_entropy(
            hidden_BTD.flatten(0, 1)[wanted].bfloat16(),
            self.model.embed_tokens.weight.bfloat16(),
            tokens_BT[:, 1:].flatten()[wanted],
            weights_N[wanted] / weights_N.sum(),
        )
