from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
import torch
from scripts.oracle_ewc import random_case, relative_errors

from laimark_sidecar.training.job import Curvature
from laimark_sidecar.training.worker.backend import PeftBackend
from laimark_sidecar.training.worker.fisher import measure
from laimark_sidecar.training.worker.layers import Layer
from laimark_sidecar.training.worker.losses import Item
from laimark_sidecar.training.worker.penalty import (
    Reference,
    add_gradients,
    built_penalty,
    gradient_norm,
    layer_penalty,
    penalty,
    standing,
)
from laimark_sidecar.training.worker.updates import Directed, Gains, LowRank


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", get_args(Curvature))
@pytest.mark.parametrize("with_reference", [False, True])
def test_penalty_and_gradient_equal_the_dense_form(seed: int, kind: Curvature, with_reference: bool) -> None:
    case = random_case(seed, kind=kind, with_reference=with_reference)
    omega_error, gradient_error = relative_errors(case)
    assert omega_error < 1e-12
    assert gradient_error < 1e-12


@pytest.mark.parametrize("kind", get_args(Curvature))
@pytest.mark.parametrize("with_reference", [False, True])
def test_the_penalty_does_not_see_the_gauge(kind: Curvature, with_reference: bool) -> None:
    case = random_case(11, kind=kind, with_reference=with_reference)
    turn = torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) + 3 * torch.eye(
        4
    )
    plain, turned = (
        layer_penalty(
            a, b, case.scale, covariance=case.covariance, output=case.output, reference=case.reference
        )
        for a, b in ((case.a, case.b), (torch.linalg.solve(turn, case.a), case.b @ turn))
    )
    assert float(turned.omega) == pytest.approx(float(plain.omega), rel=1e-10)


@pytest.mark.parametrize("kind", get_args(Curvature))
def test_the_penalty_is_zero_at_its_anchor(kind: Curvature) -> None:
    case = random_case(5, kind=kind, with_reference=False)
    here = Reference(a_RD=case.a, scaled_b_OR=case.scale * case.b)
    found = layer_penalty(
        case.a, case.b, case.scale, covariance=case.covariance, output=case.output, reference=here
    )
    assert float(found.omega) == pytest.approx(0.0, abs=1e-9)
    assert float(found.grad_b_OR.abs().max()) < 1e-9


def random_update(kind: str) -> Directed | Gains:
    generator = torch.Generator().manual_seed(8)

    def normal(*shape: int) -> torch.nn.Parameter:
        return torch.nn.Parameter(torch.randn(*shape, dtype=torch.float64, generator=generator))

    weight_OD = normal(24, 40).detach().float()
    if kind == "dora":
        low_rank = LowRank(a_RD=normal(4, 40), b_OR=normal(24, 4), scale=0.7)
        return Directed(low_rank=low_rank, magnitude_O=normal(24), weight_OD=weight_OD)
    return Gains(gains=normal(24, 1) if kind == "ia3 outputs" else normal(1, 40), weight_OD=weight_OD)


def dense_change(update: Directed | Gains) -> torch.Tensor:
    """Return W' - W as it is on paper (DoRA: equation 5 of arXiv 2402.09353; IA3: section 3.3 of 2205.05638)."""
    weight = update.weight_OD.double()
    if isinstance(update, Gains):
        return weight * update.gains - weight
    low_rank = update.low_rank
    turned = weight + low_rank.scale * (low_rank.b_OR @ low_rank.a_RD)
    lengths: torch.Tensor = torch.linalg.vector_norm(turned, dim=1, keepdim=True)
    directed: torch.Tensor = update.magnitude_O[:, None] * turned / lengths
    return directed - weight


@pytest.mark.parametrize("curvature", get_args(Curvature))
@pytest.mark.parametrize("kind", ["dora", "ia3 outputs", "ia3 inputs"])
@pytest.mark.parametrize("with_reference", [False, True])
def test_the_penalty_of_other_kinds_is_that_of_the_real_change_of_the_weight(
    curvature: Curvature, kind: str, with_reference: bool
) -> None:
    """Oracle: dense matrices and autograd, through the lengths of a DoRA's rows, too."""
    case = random_case(3, kind=curvature, with_reference=False)
    update = random_update(kind)
    layer = Layer(name="layer", update=update, linear=torch.nn.Identity())
    start = dense_change(update).detach()
    reference = standing([layer])[0] if with_reference else None
    if with_reference:
        with torch.no_grad():
            for parameter in update.parameters.values():
                parameter.mul_(1.3)
    delta = dense_change(update) - (start if with_reference else 0.0)
    c, g = (
        torch.eye(width, dtype=torch.float64)
        if one is None
        else one.rows_KD.double().T @ one.rows_KD.double() + torch.diag(one.diagonal_D.double())
        for one, width in ((case.covariance, 40), (case.output, 24))
    )
    omega = 0.5 * torch.trace(delta.T @ g @ delta @ c)
    expected = torch.autograd.grad(omega, tuple(update.parameters.values()))
    found = built_penalty(update, covariance=case.covariance, output=case.output, reference=reference)
    assert float(found.omega) == pytest.approx(float(omega.detach()), rel=1e-9)
    torch.testing.assert_close(found.gradients, expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("kind", ["dora", "ia3 outputs", "ia3 inputs"])
def test_other_kinds_pay_nothing_at_their_anchor(kind: str) -> None:
    case, update = random_case(3, kind="input", with_reference=False), random_update(kind)
    layer = Layer(name="layer", update=update, linear=torch.nn.Identity())
    found = built_penalty(update, covariance=case.covariance, output=None, reference=standing([layer])[0])
    assert float(found.omega) == pytest.approx(0.0, abs=1e-12)
    assert all(float(gradient.abs().max()) < 1e-9 for gradient in found.gradients)


def test_gradients_are_added_to_what_the_task_left(
    moved: PeftBackend, make_items: Callable[[int], tuple[Item, ...]]
) -> None:
    anchor = measure(moved, make_items(2), kind="input", batch_size=2, seed=0, check=lambda: None)
    measured = penalty(moved.layers, anchor, [None] * len(moved.layers))
    for layer in moved.layers:
        layer.a_RD.grad, layer.b_OR.grad = torch.ones_like(layer.a_RD), torch.ones_like(layer.b_OR)
    add_gradients(moved.layers, measured, 2.0)
    first = moved.layers[0]
    assert first.a_RD.grad is not None
    torch.testing.assert_close(first.a_RD.grad, 1.0 + 2.0 * measured.parts[0].grad_a_RD)
    assert measured.omega > 0.0
    assert measured.grad_norm > 0.0


def test_gradient_norm_is_over_all_parameters_together() -> None:
    """Oracle: torch's own norm of the one long vector."""
    with_gradient = [torch.nn.Parameter(torch.zeros(3, 2)), torch.nn.Parameter(torch.zeros(5))]
    for seed, parameter in enumerate(with_gradient):
        parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
    flat = torch.cat([parameter.grad.flatten() for parameter in with_gradient if parameter.grad is not None])
    without = torch.nn.Parameter(torch.ones(4))
    assert gradient_norm([*with_gradient, without]) == pytest.approx(float(flat.norm()))
