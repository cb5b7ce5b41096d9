from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
import torch
from scripts.oracle_ewc import random_case, relative_errors

from laimark_sidecar.training.job import Curvature
from laimark_sidecar.training.worker.backend import PeftBackend
from laimark_sidecar.training.worker.fisher import measure
from laimark_sidecar.training.worker.losses import Item
from laimark_sidecar.training.worker.penalty import (
    Reference,
    add_gradients,
    gradient_norm,
    layer_penalty,
    penalty,
)


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
