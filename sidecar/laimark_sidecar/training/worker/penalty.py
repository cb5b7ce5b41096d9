"""EWC in the space of the weight update D = s·B·A: exact, gauge-invariant, and nothing larger than 2r x 2r is built.

    Ω(D; D*, C, G) = ½ tr((D-D*)ᵀ G (D-D*) C) = ½ Σ [(B̃ᵀ G B̃) ∘ (Ã C Ãᵀ)],   B̃ = [sB, -s*B*],  Ã = [A; A*]

with C = Vᵀ V + diag(c), and G likewise (kfac), diag(u) (diag), or I (input). A penalty on A and B apart would change under B→BR, A→R⁻¹A although
the model does not, and at B=0 the Fisher of A is exactly zero (EWC-LoRA, arXiv 2602.17559).

DoRA and IA3 change W by gains as well (`updates`). There D is built, one layer at a time, which PEFT's own forward pass of
a DoRA does too; Ω is the same, exact, with exact gradients by autograd.

Legend: R rank, D inputs, O outputs, K rows of the low-rank part, S = R + R* stacked ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from laimark_sidecar.training.worker.curvature import Anchor, Covariance
from laimark_sidecar.training.worker.layers import Layer
from laimark_sidecar.training.worker.updates import Directed, Form, Gains, LowRank


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The update that an anchor stands at, D* = scaled_b · a."""

    a_RD: Tensor
    scaled_b_OR: Tensor
    gains: Tensor | None = None
    """Beside D* = scaled_b · a: what W is multiplied by; see `Form`."""

    def form(self) -> Form:
        return Form(a_SD=self.a_RD, b_OS=self.scaled_b_OR, gains=self.gains)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPenalty:
    """Ω of one layer and its exact gradient by what is trained of the layer."""

    omega: Tensor
    gradients: tuple[Tensor, ...]
    """In the order of `Layer.parameters`: of A and B, then of a DoRA's magnitudes; or of IA3's gains."""

    @property
    def grad_a_RD(self) -> Tensor:
        return self.gradients[0]

    @property
    def grad_b_OR(self) -> Tensor:
        return self.gradients[1]


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
        gradients=(outputs_SS[:rank] @ ac_SD, scale * (gb_OS @ inputs_SS[:, :rank])),
    )


def built_penalty(
    update: Directed | Gains,
    *,
    covariance: Covariance,
    output: Covariance | None,
    reference: Reference | None,
) -> LayerPenalty:
    """Return Ω and its gradient for one layer of a kind that also has gains on W; `None`s as of `layer_penalty`."""
    with torch.enable_grad():
        form = update.form() if reference is None else update.form().minus(reference.form())
        delta_OD = form.b_OS @ form.a_SD
        if form.gains is not None:
            delta_OD = delta_OD + form.gains * update.weight_OD.to(delta_OD.dtype)
        left_OD = delta_OD if output is None else output.right_multiply(delta_OD.T).T
        omega = 0.5 * (covariance.right_multiply(left_OD) * delta_OD).sum()
        gradients = torch.autograd.grad(omega, tuple(update.parameters.values()))
    return LayerPenalty(omega=omega.detach(), gradients=gradients)


def standing(layers: Sequence[Layer]) -> tuple[Reference, ...]:
    """Return D* = the adapter as it stands, copied."""
    forms = [layer.update.form().detached() for layer in layers]
    return tuple(Reference(a_RD=one.a_SD, scaled_b_OR=one.b_OS, gains=one.gains) for one in forms)


def _of_layer(
    layer: Layer, covariance: Covariance, output: Covariance | None, reference: Reference | None
) -> LayerPenalty:
    if isinstance(layer.update, LowRank):
        update = layer.update
        return layer_penalty(
            update.a_RD,
            update.b_OR,
            update.scale,
            covariance=covariance,
            output=output,
            reference=reference,
        )
    return built_penalty(layer.update, covariance=covariance, output=output, reference=reference)


def penalty(layers: Sequence[Layer], anchor: Anchor, references: Sequence[Reference | None]) -> Penalty:
    """Return Ω of the whole adapter at an anchor with its gradients; adds nothing anywhere.

    Args:
        layers: the adapted layers.
        anchor: curvature of every layer.
        references: D* of every layer in the same order; None for 0.
    """
    with torch.no_grad():
        parts = tuple(
            _of_layer(layer, anchor.covariance_of(layer), anchor.output_of(layer), reference)
            for layer, reference in zip(layers, references, strict=True)
        )
        omega = torch.stack([part.omega for part in parts]).sum()
        norms = torch.stack([torch.stack([g.square().sum() for g in part.gradients]).sum() for part in parts])
        return Penalty(omega=float(omega), grad_norm=float(norms.sum().sqrt()), parts=parts)


def add_gradients(layers: Sequence[Layer], measured: Penalty, factor: float) -> None:
    """Add `factor` times the penalty's gradient: once a step, or accumulation would multiply it."""
    for layer, part in zip(layers, measured.parts, strict=True):
        for parameter, gradient in zip(layer.parameters.values(), part.gradients, strict=True):
            assert parameter.grad is not None
            parameter.grad.add_(gradient, alpha=factor)


def gradient_norm(parameters: Sequence[torch.nn.Parameter]) -> float:
    """Return the Euclidean norm of all gradients together; a parameter without one counts as 0."""
    squares = [parameter.grad.square().sum() for parameter in parameters if parameter.grad is not None]
    return float(torch.stack(squares).sum().sqrt())
