"""Oracle: autograd, one example at a time, with the weights themselves asking for a gradient."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from laimark_sidecar.bench.dense_fisher import factor_fisher, weight_fisher
from laimark_sidecar.bench.lab import Lab
from laimark_sidecar.bench.lessons import bare_items
from laimark_sidecar.training.worker.losses import Item, collate

LabMaker = Callable[[Path], Lab]


@pytest.fixture
def lab(make_lab: LabMaker, tmp_path: Path) -> Lab:
    lab = make_lab(tmp_path)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for layer in lab.backend.layers:
            layer.b_OR.copy_(torch.randn(layer.b_OR.shape, generator=generator) * 0.1)
    return lab


def squared_gradients(lab: Lab, items: tuple[Item, ...], parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the mean over the items of their squared gradients, labels drawn as the module draws them."""
    batch = collate(items, lab.backend.device)
    logits = batch.select(lab.backend.logits(batch.ids_BT, batch.mask_BT, batch.kept_P))
    generator = torch.Generator().manual_seed(5)
    labels = torch.multinomial(logits.detach().softmax(-1), 1, generator=generator)[:, 0]
    total = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    start = 0
    for item in items:
        alone = collate([item], lab.backend.device)
        logits = alone.select(lab.backend.logits(alone.ids_BT, alone.mask_BT, alone.kept_P))
        stop = start + len(item.positions)
        loss = torch.nn.functional.cross_entropy(logits, labels[start:stop], reduction="sum")
        for name, gradient in zip(
            parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True
        ):
            total[name] += gradient.square()
        start = stop
    return {name: summed / len(items) for name, summed in total.items()}


def test_the_fisher_of_the_weights_is_that_of_autograd(lab: Lab) -> None:
    items = bare_items(lab, lab.cycles[0], "new")
    weights: dict[str, Tensor] = {}
    for layer in lab.backend.layers:
        layer.linear.requires_grad_(requires_grad=True)
        weights[layer.name] = layer.linear.get_parameter("weight")
    expected = squared_gradients(lab, items, weights)
    for layer in lab.backend.layers:
        layer.linear.requires_grad_(requires_grad=False)
    found = weight_fisher(lab.backend, items, seed=5)
    for name, fisher in expected.items():
        torch.testing.assert_close(found[name], fisher, rtol=1e-3, atol=1e-10)


def test_the_fisher_of_the_factors_is_that_of_autograd(lab: Lab) -> None:
    items = bare_items(lab, lab.cycles[0], "new")
    factors: dict[str, Tensor] = {}
    for layer in lab.backend.layers:
        factors |= {f"{layer.name}.a": layer.a_RD, f"{layer.name}.b": layer.b_OR}
    expected = squared_gradients(lab, items, factors)
    found = factor_fisher(lab.backend, items, seed=5)
    for name, fisher in expected.items():
        torch.testing.assert_close(found[name], fisher, rtol=1e-3, atol=1e-10)


def test_the_fisher_of_a_is_zero_before_the_first_lesson(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    found = factor_fisher(lab.backend, bare_items(lab, lab.cycles[0], "new"), seed=0)
    assert all(not fisher.any() for name, fisher in found.items() if name.endswith(".a"))
    assert any(fisher.any() for name, fisher in found.items() if name.endswith(".b"))
