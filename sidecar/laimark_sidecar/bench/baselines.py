"""Penalties that the product does not offer, as it is measured against them: dense diagonal EWC, and EWC on A and B apart.

    dense:  Ω = ½ Σ F ∘ (D - D*)²                                (D = s·B·A)
    apart:  Ω = ½ Σ F_A ∘ (A - A*)² + ½ Σ F_B ∘ (B - B*)²

Both return what the engine's own penalty returns, so the same loop, governor and anchors drive them.

Legend: R rank, D inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from laimark_sidecar.training.worker.curvature import Anchor
from laimark_sidecar.training.worker.layers import Layer
from laimark_sidecar.training.worker.penalty import LayerPenalty, Penalty, Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseAnchor(Anchor):
    """An anchor with one number a weight."""

    fisher: Mapping[str, Tensor] = field(default_factory=dict)
    """By layer (dense), or by layer and `.a` or `.b` (apart)."""
    first_a: Mapping[str, Tensor] = field(default_factory=dict)
    """Apart only: A* of the core anchor, by layer, where no reference is given."""


def dense_anchor(fisher: Mapping[str, Tensor], *, examples: int) -> DenseAnchor:
    """Return the anchor, normalised to mean 1 over all weights."""
    return _normalised(DenseAnchor(kind="diag", covariances={}, outputs={}, examples=examples, fisher=fisher))


def blended(old: DenseAnchor, new: DenseAnchor, gamma: float) -> DenseAnchor:
    """Return the online update, normalised again."""
    fisher = {name: gamma * old.fisher[name] + (1.0 - gamma) * new.fisher[name] for name in new.fisher}
    return _normalised(replace(new, fisher=fisher, examples=old.examples + new.examples))


def dense_penalty(layers: Sequence[Layer], anchor: Anchor, references: Sequence[Reference | None]) -> Penalty:
    """Return Ω of the dense diagonal and its gradients by the factors."""
    assert isinstance(anchor, DenseAnchor)
    parts: list[LayerPenalty] = []
    with torch.no_grad():
        for layer, reference in zip(layers, references, strict=True):
            moved_OD = layer.scale * (layer.b_OR @ layer.a_RD)
            if reference is not None:
                moved_OD -= reference.scaled_b_OR @ reference.a_RD
            slope_OD = anchor.fisher[layer.name] * moved_OD
            parts.append(
                LayerPenalty(
                    omega=0.5 * (slope_OD * moved_OD).sum(),
                    grad_a_RD=layer.scale * (layer.b_OR.T @ slope_OD),
                    grad_b_OR=layer.scale * (slope_OD @ layer.a_RD.T),
                )
            )
        return _summed(parts)


def apart_penalty(layers: Sequence[Layer], anchor: Anchor, references: Sequence[Reference | None]) -> Penalty:
    """Return Ω of the factors apart; without a reference B* is 0 and A* the anchor's `first_a`."""
    assert isinstance(anchor, DenseAnchor)
    parts: list[LayerPenalty] = []
    with torch.no_grad():
        for layer, reference in zip(layers, references, strict=True):
            a_star = anchor.first_a[layer.name] if reference is None else reference.a_RD
            b_star = 0.0 if reference is None else reference.scaled_b_OR / layer.scale
            moved_a, moved_b = layer.a_RD - a_star, layer.b_OR - b_star
            slope_a = anchor.fisher[f"{layer.name}.a"] * moved_a
            slope_b = anchor.fisher[f"{layer.name}.b"] * moved_b
            omega = 0.5 * ((slope_a * moved_a).sum() + (slope_b * moved_b).sum())
            parts.append(LayerPenalty(omega=omega, grad_a_RD=slope_a, grad_b_OR=slope_b))
        return _summed(parts)


def _summed(parts: Sequence[LayerPenalty]) -> Penalty:
    omega = torch.stack([part.omega for part in parts]).sum()
    norms = torch.stack([part.grad_a_RD.square().sum() + part.grad_b_OR.square().sum() for part in parts])
    return Penalty(omega=float(omega), grad_norm=float(norms.sum().sqrt()), parts=tuple(parts))


def _normalised(anchor: DenseAnchor) -> DenseAnchor:
    total = sum(float(f.double().sum()) for f in anchor.fisher.values())
    weights = sum(f.numel() for f in anchor.fisher.values())
    if total <= 0.0:
        return anchor
    return replace(anchor, fisher={name: f * (weights / total) for name, f in anchor.fisher.items()})
