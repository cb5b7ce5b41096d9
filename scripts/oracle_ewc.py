"""Question: does the 2r x 2r algebra of the EWC penalty equal the penalty written out on dense matrices?

Regime: random layers in float64, all three curvature kinds, with and without a reference update, anchors of several
ranks. Ceiling: 1e-12, the rounding of float64. The dense side builds D (O x D) and C (D x D), which no real model could
afford. The last line of stdout is JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from laimark_sidecar.training.job import Curvature
from laimark_sidecar.training.worker.curvature import Covariance
from laimark_sidecar.training.worker.penalty import Reference, layer_penalty


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One layer with an anchor."""

    a: Tensor
    b: Tensor
    scale: float
    covariance: Covariance
    output: Covariance | None
    reference: Reference | None


def random_case(seed: int, *, kind: Curvature, with_reference: bool) -> Case:
    """Return a layer of 24 outputs and 40 inputs at rank 4 with a random anchor, in float64."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    rows = normal(0 if kind == "diag" else 6, 40)
    output = Covariance(rows_KD=normal(5 if kind == "kfac" else 0, 24), diagonal_D=normal(24).abs())
    return Case(
        a=normal(4, 40),
        b=normal(24, 4),
        scale=2.0,
        covariance=Covariance(rows_KD=rows, diagonal_D=normal(40).abs()),
        output=None if kind == "input" else output,
        reference=Reference(a_RD=normal(3, 40), scaled_b_OR=normal(24, 3)) if with_reference else None,
    )


def dense_omega(case: Case, a: Tensor, b: Tensor) -> Tensor:
    """Return ½ tr((D-D*)ᵀ G (D-D*) C) with every matrix written out; differentiable by a and b."""
    update = case.scale * b @ a
    if case.reference is not None:
        update = update - case.reference.scaled_b_OR @ case.reference.a_RD
    rows = case.covariance.rows_KD
    inputs = rows.T @ rows + torch.diag(case.covariance.diagonal_D)
    outputs = torch.eye(update.shape[0], dtype=a.dtype)
    if case.output is not None:
        outputs = case.output.rows_KD.T @ case.output.rows_KD + torch.diag(case.output.diagonal_D)
    return 0.5 * torch.trace(update.T @ outputs @ update @ inputs)


def relative_errors(case: Case) -> tuple[float, float]:
    """Return the relative errors of the penalty and of its gradient against autograd on the dense form."""
    a, b = case.a.clone().requires_grad_(), case.b.clone().requires_grad_()
    expected = dense_omega(case, a, b)
    torch.autograd.backward(expected)
    expected = expected.detach()
    found = layer_penalty(
        case.a, case.b, case.scale, covariance=case.covariance, output=case.output, reference=case.reference
    )
    assert a.grad is not None
    assert b.grad is not None
    wrong = (found.grad_a_RD - a.grad).norm() ** 2 + (found.grad_b_OR - b.grad).norm() ** 2
    size = a.grad.norm() ** 2 + b.grad.norm() ** 2
    return float((found.omega - expected).abs() / expected.abs()), float((wrong / size).sqrt())


def main() -> None:
    """Print the worst relative errors over 60 random cases."""
    cases = [
        random_case(seed, kind=kind, with_reference=bool(seed & 1))
        for kind in get_args(Curvature)
        for seed in range(20)
    ]
    errors = [relative_errors(case) for case in cases]
    report = {
        "cases": len(cases),
        "worst_relative_error_omega": max(omega for omega, _ in errors),
        "worst_relative_error_gradient": max(gradient for _, gradient in errors),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
