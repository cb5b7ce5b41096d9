"""EWC in the space of the weight update D = s·B·A: exact, gauge-invariant, and nothing larger than 2r x 2r is built.

    Ω(D; D*, C, G) = ½ tr((D-D*)ᵀ G (D-D*) C) = ½ Σ [(B̃ᵀ G B̃) ∘ (Ã C Ãᵀ)],   B̃ = [sB, -s*B*],  Ã = [A; A*]

with C = Vᵀ V + diag(c), and G likewise (kfac), diag(u) (diag), or I (input). A penalty on A and B apart would change under B→BR, A→R⁻¹A although
the model does not, and at B=0 the Fisher of A is exactly zero (EWC-LoRA, arXiv 2602.17559).

Legend: R rank, D inputs, O outputs, K rows of the low-rank part, S = R + R* stacked ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from laimark_sidecar.training.worker.curvature import Anchor, Covariance
from laimark_sidecar.training.worker.layers import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The update that an anchor stands at, D* = scaled_b · a."""

    a_RD: Tensor
    scaled_b_OR: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPenalty:
    """Ω of one layer and its exact gradient by the layer's factors."""

    omega: Tensor
    grad_a_RD: Tensor
    grad_b_OR: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalty:
    """Ω summed over the layers, with the gradients in the order of the layers."""

    omega: float
    grad_norm: float
    parts: tuple[LayerPenalty, ...]


def layer_penalty(
    a_RD: Tensor,
    b_OR: Tensor,
    scale: float,
    *,
    covariance: Covariance,
    output: Covariance | None,
    reference: Reference | None,
) -> LayerPenalty:
    """Return Ω and its gradient for one layer; `output` None is G = I, `reference` None is D* = 0."""
    rank = a_RD.shape[0]
    a_SD, b_OS = a_RD, scale * b_OR
    if reference is not None:
        a_SD = torch.cat([a_RD, reference.a_RD])
        b_OS = torch.cat([b_OS, -reference.scaled_b_OR], dim=1)
    gb_OS = b_OS if output is None else output.right_multiply(b_OS.T).T
    ac_SD = covariance.right_multiply(a_SD)
    outputs_SS = b_OS.T @ gb_OS
    inputs_SS = ac_SD @ a_SD.T
    return LayerPenalty(
        omega=0.5 * (outputs_SS * inputs_SS).sum(),
        grad_a_RD=outputs_SS[:rank] @ ac_SD,
        grad_b_OR=scale * (gb_OS @ inputs_SS[:, :rank]),
    )


def penalty(layers: Sequence[Layer], anchor: Anchor, references: Sequence[Reference | None]) -> Penalty:
    """Return Ω of the whole adapter at an anchor with its gradients; adds nothing anywhere.

    Args:
        layers: the adapted layers.
        anchor: curvature of every layer.
        references: D* of every layer in the same order; None for 0.
    """
    with torch.no_grad():
        parts = tuple(
            layer_penalty(
                layer.a_RD,
                layer.b_OR,
                layer.scale,
                covariance=anchor.covariance_of(layer),
                output=anchor.output_of(layer),
                reference=reference,
            )
            for layer, reference in zip(layers, references, strict=True)
        )
        omega = torch.stack([part.omega for part in parts]).sum()
        norms = torch.stack([part.grad_a_RD.square().sum() + part.grad_b_OR.square().sum() for part in parts])
        return Penalty(omega=float(omega), grad_norm=float(norms.sum().sqrt()), parts=parts)


def add_gradients(layers: Sequence[Layer], measured: Penalty, factor: float) -> None:
    """Add `factor` times the penalty's gradient: once a step, or accumulation would multiply it."""
    for layer, part in zip(layers, measured.parts, strict=True):
        assert layer.a_RD.grad is not None
        assert layer.b_OR.grad is not None
        layer.a_RD.grad.add_(part.grad_a_RD, alpha=factor)
        layer.b_OR.grad.add_(part.grad_b_OR, alpha=factor)


def gradient_norm(parameters: Sequence[torch.nn.Parameter]) -> float:
    """Return the Euclidean norm of all gradients together; a parameter without one counts as 0."""
    squares = [parameter.grad.square().sum() for parameter in parameters if parameter.grad is not None]
    return float(torch.stack(squares).sum().sqrt())
