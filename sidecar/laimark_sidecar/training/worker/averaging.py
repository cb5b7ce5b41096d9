"""A moving average of adapters, taken of what they add to the weights and never of their factors.

`A + A'` and `B + B'` make no adapter of `D + D'`: the cross terms are new, and turning the factors (B → BR, A → inverse(R) A), which
changes no model, would change them. Here `keep · D* + (1 - keep) · D` is written as a product of twice the rank, and its
nearest adapter of the old rank is found by two QR and an SVD of 2R x 2R (Eckart and Young 1936); nothing dense is built.

Legend: R rank, D inputs, O outputs of a layer, S = 2R.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from laimark_sidecar.training.worker.layers import Layer
from laimark_sidecar.training.worker.penalty import Reference


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blend:
    """The nearest product of a rank to a sum of two products."""

    a_RD: Tensor
    b_OR: Tensor
    left_out: float
    """Squared Frobenius norm of what the rank had no room for."""
    whole: float
    """Squared Frobenius norm of the sum."""


def average(layers: Sequence[Layer], before: Sequence[Reference], *, keep: float) -> float:
    """Put `keep · D* + (1 - keep) · D` into the adapter in place of D; return the share of it that was left out.

    Args:
        layers: the adapter, D.
        before: D* of each layer, in the same order.
        keep: 0 leaves D as it is, 1 would put D* back.

    Returns:
        The squared norm of what the rank had no room for, by that of all of it, over all layers: 0 to 1.
    """
    left_out = whole = 0.0
    with torch.no_grad():
        for layer, old in zip(layers, before, strict=True):
            blend = blended((old.a_RD, old.scaled_b_OR / layer.scale), (layer.a_RD, layer.b_OR), keep=keep)
            layer.a_RD.copy_(blend.a_RD)
            layer.b_OR.copy_(blend.b_OR)
            left_out, whole = left_out + blend.left_out, whole + blend.whole
    return left_out / whole if whole > 0.0 else 0.0


def blended(old: tuple[Tensor, Tensor], new: tuple[Tensor, Tensor], *, keep: float) -> Blend:
    """Return the nearest product to `keep · B*A* + (1 - keep) · BA`; each pair is (A of (R, D), B of (O, R)), of one rank."""
    (old_a_RD, old_b_OR), (new_a_RD, new_b_OR) = old, new
    # Double precision: the product of two R factors has the square of their condition.
    b_OS = torch.cat([keep * old_b_OR, (1.0 - keep) * new_b_OR], dim=1).double()
    a_SD = torch.cat([old_a_RD, new_a_RD], dim=0).double()
    left_OS, inner_b_SS = torch.linalg.qr(b_OS)
    right_DS, inner_a_SS = torch.linalg.qr(a_SD.T)
    u_SS, sizes_S, v_SS = torch.linalg.svd(inner_b_SS @ inner_a_SS.T, full_matrices=False)
    rank = new_b_OR.shape[1]
    squares_S = sizes_S.square()
    left_out, whole = float(squares_S[rank:].sum()), float(squares_S.sum())
    if whole == 0.0:
        return Blend(a_RD=new_a_RD.clone(), b_OR=new_b_OR.clone(), left_out=0.0, whole=0.0)
    # One size for all rows of A: a direction that has come to nothing then still has a row, and can be learned again.
    size = sizes_S[:rank].mean().sqrt()
    a_RD, b_OR = new_a_RD.clone(), torch.zeros_like(new_b_OR)
    kept = min(rank, len(sizes_S))  # fewer where the rank is more than a side of the weight
    a_RD[:kept] = size * (v_SS[:kept] @ right_DS.T)
    b_OR[:, :kept] = (left_OS @ u_SS[:, :kept]) * (sizes_S[:kept] / size)
    return Blend(a_RD=a_RD, b_OR=b_OR, left_out=left_out, whole=whole)
