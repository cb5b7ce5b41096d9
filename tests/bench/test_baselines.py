"""Oracle: autograd through the penalty as it is written on paper."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from laimark_sidecar.bench.baselines import DenseAnchor, apart_penalty, blended, dense_anchor, dense_penalty
from laimark_sidecar.training.worker.layers import Layer
from laimark_sidecar.training.worker.penalty import Reference

SCALE = 2.0


def random_layer(seed: int) -> Layer:
    generator = torch.Generator().manual_seed(seed)
    return Layer(
        name=f"layer.{seed}",
        a_RD=torch.nn.Parameter(torch.randn(2, 5, generator=generator, dtype=torch.float64)),
        b_OR=torch.nn.Parameter(torch.randn(4, 2, generator=generator, dtype=torch.float64)),
        scale=SCALE,
        linear=torch.nn.Linear(5, 4),
    )


def random_tensor(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LAYERS = (random_layer(1), random_layer(2))
REFERENCES = tuple(
    Reference(a_RD=random_tensor(30 + i, 2, 5), scaled_b_OR=random_tensor(40 + i, 4, 2)) for i in range(2)
)


def gradients(omega: Tensor) -> list[Tensor]:
    parameters = [p for layer in LAYERS for p in (layer.a_RD, layer.b_OR)]
    return list(torch.autograd.grad(omega, parameters))


@pytest.mark.parametrize("references", [(None, None), REFERENCES], ids=["core", "user"])
def test_the_dense_penalty_is_what_is_on_paper(references: tuple[Reference | None, ...]) -> None:
    anchor = dense_anchor({layer.name: random_tensor(i, 4, 5) for i, layer in enumerate(LAYERS)}, examples=1)
    omega = torch.zeros((), dtype=torch.float64)
    for layer, reference in zip(LAYERS, references, strict=True):
        moved = SCALE * layer.b_OR @ layer.a_RD
        if reference is not None:
            moved = moved - reference.scaled_b_OR @ reference.a_RD
        omega = omega + 0.5 * (anchor.fisher[layer.name] * moved**2).sum()
    found = dense_penalty(LAYERS, anchor, references)
    assert found.omega == pytest.approx(float(omega.detach()))
    actual = [g for part in found.parts for g in (part.grad_a_RD, part.grad_b_OR)]
    torch.testing.assert_close(actual, gradients(omega))


@pytest.mark.parametrize("references", [(None, None), REFERENCES], ids=["core", "user"])
def test_the_penalty_on_the_factors_apart_is_what_is_on_paper(
    references: tuple[Reference | None, ...],
) -> None:
    first_a = {layer.name: random_tensor(9, 2, 5) for layer in LAYERS}
    fisher = {f"{layer.name}.a": random_tensor(5, 2, 5) for layer in LAYERS}
    fisher |= {f"{layer.name}.b": random_tensor(6, 4, 2) for layer in LAYERS}
    anchor = DenseAnchor(kind="diag", covariances={}, outputs={}, examples=1, fisher=fisher, first_a=first_a)
    omega = torch.zeros((), dtype=torch.float64)
    for layer, reference in zip(LAYERS, references, strict=True):
        a_star = first_a[layer.name] if reference is None else reference.a_RD
        b_star = 0.0 if reference is None else reference.scaled_b_OR / SCALE
        omega = omega + 0.5 * (fisher[f"{layer.name}.a"] * (layer.a_RD - a_star) ** 2).sum()
        omega = omega + 0.5 * (fisher[f"{layer.name}.b"] * (layer.b_OR - b_star) ** 2).sum()
    found = apart_penalty(LAYERS, anchor, references)
    assert found.omega == pytest.approx(float(omega.detach()))
    actual = [g for part in found.parts for g in (part.grad_a_RD, part.grad_b_OR)]
    torch.testing.assert_close(actual, gradients(omega))


def test_an_anchor_has_mean_one_over_all_weights_and_keeps_it_when_blended() -> None:
    one = dense_anchor({"x": torch.tensor([[1.0, 3.0]]), "y": torch.tensor([[8.0]])}, examples=1)
    two = dense_anchor({"x": torch.tensor([[4.0, 4.0]]), "y": torch.tensor([[1.0]])}, examples=2)
    for anchor in (one, two, blended(one, two, 0.95)):
        assert sum(float(f.sum()) for f in anchor.fisher.values()) == pytest.approx(3.0)
    assert blended(one, two, 0.95).examples == 3
