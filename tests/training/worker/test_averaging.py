from __future__ import annotations

import pytest
import torch
from torch import Tensor

from laimark_sidecar.training.worker.averaging import average, blended
from laimark_sidecar.training.worker.backend import PeftBackend
from laimark_sidecar.training.worker.penalty import Reference

OUT, IN = 24, 17


def adapter(seed: int, *, rank: int = 4, learned: int = 4) -> tuple[Tensor, Tensor]:
    """A and B of a rank, of which only so many directions have learned anything."""
    generator = torch.Generator().manual_seed(seed)
    a_RD = torch.randn(rank, IN, dtype=torch.float64, generator=generator)
    b_OR = torch.randn(OUT, rank, dtype=torch.float64, generator=generator)
    b_OR[:, learned:] = 0.0
    return a_RD, b_OR


def product(pair: tuple[Tensor, Tensor]) -> Tensor:
    return pair[1] @ pair[0]


def test_two_updates_that_fit_into_the_rank_together_are_averaged_exactly() -> None:
    old, new = adapter(1, learned=2), adapter(2, learned=2)
    found = blended(old, new, keep=0.25)
    assert torch.allclose(found.b_OR @ found.a_RD, 0.25 * product(old) + 0.75 * product(new), atol=1e-12)
    assert found.left_out == pytest.approx(0.0, abs=1e-20)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_otherwise_it_is_the_nearest_of_that_rank_and_says_what_it_left_out(keep: float) -> None:
    old, new = adapter(3), adapter(4)
    dense = keep * product(old) + (1 - keep) * product(new)
    sizes = torch.linalg.svdvals(dense)
    found = blended(old, new, keep=keep)
    error = dense - found.b_OR @ found.a_RD
    assert float(error.square().sum()) == pytest.approx(float(sizes[4:].square().sum()), abs=1e-9)
    assert found.left_out == pytest.approx(float(sizes[4:].square().sum()), abs=1e-9)
    assert found.whole == pytest.approx(float(dense.square().sum()))


def test_the_average_does_not_see_how_an_update_is_written() -> None:
    old, (a_RD, b_OR) = adapter(5), adapter(6)
    turn = torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(7)) + 3 * torch.eye(
        4
    )
    plain = blended(old, (a_RD, b_OR), keep=0.5)
    turned = blended(old, (torch.linalg.solve(turn, a_RD), b_OR @ turn), keep=0.5)
    assert torch.allclose(plain.b_OR @ plain.a_RD, turned.b_OR @ turned.a_RD, atol=1e-9)


def test_a_direction_that_came_to_nothing_can_still_be_learned() -> None:
    found = blended(adapter(8, learned=1), adapter(9, learned=1), keep=0.5)
    assert bool((found.a_RD.norm(dim=1) > 0.1).all())
    assert found.b_OR.norm(dim=0).tolist()[2:] == pytest.approx([0.0, 0.0], abs=1e-12)


def test_what_has_learned_nothing_stays_as_it_is() -> None:
    old, new = adapter(10, learned=0), adapter(11, learned=0)
    found = blended(old, new, keep=0.5)
    assert torch.equal(found.a_RD, new[0])
    assert torch.equal(found.b_OR, new[1])


def test_a_rank_beyond_a_side_of_the_weight_is_no_hindrance() -> None:
    old, new = adapter(12, rank=20, learned=20), adapter(13, rank=20, learned=20)
    found = blended(old, new, keep=0.5)
    assert torch.allclose(found.b_OR @ found.a_RD, 0.5 * product(old) + 0.5 * product(new), atol=1e-10)


def test_every_layer_of_an_adapter_becomes_the_average(moved: PeftBackend) -> None:
    layers = moved.layers
    before = [
        Reference(a_RD=layer.a_RD.detach().clone(), scaled_b_OR=layer.scale * layer.b_OR.detach().clone())
        for layer in layers
    ]
    with torch.no_grad():
        for layer in layers:
            layer.b_OR.mul_(3.0)
    left_out = average(layers, before, keep=0.5)
    assert left_out == pytest.approx(0.0, abs=1e-9)  # the same directions, only longer
    for layer, old in zip(layers, before, strict=True):
        now = layer.scale * layer.b_OR.detach() @ layer.a_RD.detach()
        assert torch.allclose(now, 2.0 * old.scaled_b_OR @ old.a_RD, atol=1e-6)
