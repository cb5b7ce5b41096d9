from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor

from laimark_sidecar.training.job import Curvature
from laimark_sidecar.training.worker.backend import PeftBackend
from laimark_sidecar.training.worker.curvature import LOW_RANK, Anchor, Covariance, normalised
from laimark_sidecar.training.worker.fisher import (
    _factored,
    _Margins,
    _sample_gradients,
    damped,
    example_margins,
    measure,
)
from laimark_sidecar.training.worker.layers import Layer
from laimark_sidecar.training.worker.losses import Item, collate

ItemMaker = Callable[[int], tuple[Item, ...]]


def none() -> None:
    """The check of a run that nobody stops."""


def inputs_of(backend: PeftBackend, items: tuple[Item, ...], name: str) -> Tensor:
    """Return the named layer's inputs at the loss positions, one item at a time."""
    layer = next(layer for layer in backend.layers if layer.name == name)
    seen: list[Tensor] = []
    for item in items:
        batch = collate([item], backend.device)
        handle = layer.linear.register_forward_hook(lambda m, x, y: seen.append(x[0][0].detach()))
        with torch.no_grad():
            backend.logits(batch.ids_BT, batch.mask_BT, batch.kept_P)
        handle.remove()
        seen[-1] = seen[-1][list(item.positions)]
    return torch.cat(seen)


def test_margins_equal_those_of_the_gradient_written_out() -> None:
    generator = torch.Generator().manual_seed(0)
    g = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    x = torch.randn(7, 9, generator=generator, dtype=torch.float64)
    rows, columns = example_margins(g, x)
    squared = (g.T @ x).square()
    torch.testing.assert_close(rows, squared.sum(1))
    torch.testing.assert_close(columns, squared.sum(0))


def test_input_covariance_has_the_diagonal_of_the_inputs_at_loss_positions(
    moved: PeftBackend, make_items: ItemMaker
) -> None:
    items = make_items(4)
    anchor = measure(moved, items, kind="input", batch_size=3, seed=0, check=none)
    raw = {
        name: inputs_of(moved, items, f"{name[: name.rindex('.')]}.{leaf}").double().square().mean(0)
        for name, leaf in (
            ("model.layers.0.self_attn.qkv", "k_proj"),
            ("model.layers.1.mlp.gate_up", "up_proj"),
        )
    }
    found = {name: anchor.covariances[name].full_diagonal_D().double() for name in raw}
    factors = [float((found[name] / raw[name]).mean()) for name in raw]
    assert factors[0] == pytest.approx(factors[1], rel=1e-3)  # one normalisation for the whole anchor
    for name, diagonal in raw.items():
        torch.testing.assert_close(found[name], diagonal * factors[0], rtol=1e-3, atol=1e-5)


def test_shared_inputs_are_kept_once(backend: PeftBackend, make_items: ItemMaker) -> None:
    anchor = measure(backend, make_items(2), kind="input", batch_size=2, seed=0, check=none)
    assert sorted({key.rpartition(".")[2] for key in anchor.covariances}) == [
        "down_proj",
        "gate_up",
        "o_proj",
        "qkv",
    ]
    blocks = len(backend.layers) // 7
    assert len(anchor.covariances) == 4 * blocks


def test_the_fisher_works_where_the_adapter_is_zero(backend: PeftBackend, make_items: ItemMaker) -> None:
    anchor = measure(backend, make_items(2), kind="diag", batch_size=2, seed=0, check=none)
    assert all(float(anchor.outputs[layer.name].full_diagonal_D().sum()) > 0.0 for layer in backend.layers)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_fisher_equals_explicit_gradients_of_each_example(
    moved: PeftBackend, make_items: ItemMaker, batch_size: int
) -> None:
    """Oracle: per-example autograd on the base weight with the same sampled labels; batching must not matter."""
    items = make_items(3)
    names = ["model.layers.0.self_attn.v_proj", "model.layers.1.mlp.down_proj"]
    anchor = measure(moved, items, kind="diag", batch_size=batch_size, seed=5, check=none)
    exact = explicit_fisher(moved, items, names, seed=5)
    found: dict[str, Tensor] = {}
    for name in names:
        found[name] = anchor.outputs[name].full_diagonal_D()[:, None] * anchor.covariances[name].diagonal_D
    factor = float(found[names[0]].sum() / exact[names[0]].sum())
    for name in names:
        torch.testing.assert_close(found[name].sum(1), factor * exact[name].sum(1), rtol=2e-3, atol=1e-4)
        torch.testing.assert_close(found[name].sum(0), factor * exact[name].sum(0), rtol=2e-3, atol=1e-4)


def explicit_fisher(
    backend: PeftBackend, items: tuple[Item, ...], names: list[str], *, seed: int
) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weights: dict[str, Tensor] = {}
    for layer in backend.layers:
        if layer.name in names:
            weight = layer.linear.weight
            assert isinstance(weight, Tensor)
            weights[layer.name] = weight.requires_grad_()
    fisher = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for item in items:
        batch = collate([item], backend.device)
        logits = batch.select(backend.logits(batch.ids_BT, batch.mask_BT, batch.kept_P))
        labels = torch.multinomial(logits.detach().softmax(-1), 1, generator=generator)[:, 0]
        loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
        for name, gradient in zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True):
            fisher[name] += gradient.square()
    return fisher


@pytest.mark.parametrize("kind", get_args(Curvature))
def test_an_anchor_is_measured_anew_bit_for_bit(
    moved: PeftBackend, make_items: ItemMaker, kind: Curvature
) -> None:
    first, second = (
        measure(moved, make_items(3), kind=kind, batch_size=2, seed=1, check=none) for _ in range(2)
    )
    for key, covariance in first.covariances.items():
        assert torch.equal(covariance.diagonal_D, second.covariances[key].diagonal_D)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_fisher_of_outputs_equals_explicit_gradients_of_each_token(
    backend: PeftBackend, make_items: ItemMaker, batch_size: int
) -> None:
    """Oracle: autograd by a zero that is added to the layer's output, with the same sampled labels, at B = 0."""
    items, name = make_items(3), "model.layers.1.self_attn.k_proj"
    anchor = measure(backend, items, kind="kfac", batch_size=batch_size, seed=5, check=none)
    layer = next(one for one in backend.layers if one.name == name)
    generator, gram = torch.Generator().manual_seed(5), torch.zeros(layer.b_OR.shape[0], layer.b_OR.shape[0])
    for item in items:
        batch = collate([item], backend.device)
        added = torch.zeros(*batch.ids_BT.shape, layer.b_OR.shape[0], requires_grad=True)
        handle = layer.linear.register_forward_hook(lambda _m, _i, output, added=added: output + added)
        logits = batch.select(backend.logits(batch.ids_BT, batch.mask_BT, batch.kept_P))
        labels = torch.multinomial(logits.detach().softmax(-1), 1, generator=generator)[:, 0]
        (g,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"), added)
        handle.remove()
        gram += g[0].T @ g[0]
    width = gram.shape[0]
    expected = 0.5 * gram * width / gram.trace() + 0.5 * torch.eye(width)
    found = anchor.outputs[name]
    dense = found.rows_KD.T @ found.rows_KD + torch.diag(found.diagonal_D)
    torch.testing.assert_close(dense.diagonal(), expected.diagonal(), rtol=1e-3, atol=1e-4)
    # Of the rest the leading directions are kept: all of them where there are no more than that.
    assert float((dense - expected).norm() / expected.norm()) < (1e-3 if width <= LOW_RANK else 0.2)
    assert float(dense.diagonal().mean()) == pytest.approx(1.0, rel=1e-3)


def test_prompts_count_in_the_fisher_as_far_as_they_reach_the_answer(
    backend: PeftBackend, make_items: ItemMaker
) -> None:
    (item,) = make_items(1)
    gradients: dict[str, Tensor] = {}

    def keep(layer: Layer, g_BTO: Tensor, _x_BTD: Tensor, _mask_BT: Tensor) -> None:
        gradients[layer.name] = g_BTO[0].norm(dim=-1)

    _sample_gradients(backend, [[item]], 0, none, keep)
    prompt = list(range(item.positions[0]))
    last = len(backend.layers) // 7 - 1
    assert float(gradients["model.layers.0.mlp.down_proj"][prompt].min()) > 0.0
    assert float(gradients[f"model.layers.{last}.mlp.down_proj"][prompt].max()) == 0.0
    assert float(gradients[f"model.layers.{last}.mlp.down_proj"][list(item.positions)].min()) > 0.0
    # What comes after the last label is causally out of reach, whatever the layer.
    assert all(float(norms[item.positions[-1] + 1 :].sum()) == 0.0 for norms in gradients.values())


def test_outputs_that_were_never_touched_are_damped_to_the_identity() -> None:
    nothing = Covariance(rows_KD=torch.zeros(2, 4), diagonal_D=torch.zeros(4))
    assert damped(nothing).full_diagonal_D().tolist() == [1.0] * 4


def test_measuring_leaves_no_hooks_and_no_gradients(moved: PeftBackend, make_items: ItemMaker) -> None:
    measure(moved, make_items(2), kind="diag", batch_size=2, seed=0, check=none)
    assert not any(layer.linear._forward_hooks for layer in moved.layers)
    assert all(layer.a_RD.grad is None and layer.b_OR.grad is None for layer in moved.layers)


def test_a_stop_is_obeyed_between_batches(backend: PeftBackend, make_items: ItemMaker) -> None:
    class StoppedError(Exception):
        pass

    def check() -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        measure(backend, make_items(1), kind="input", batch_size=1, seed=0, check=check)
    assert not any(layer.linear._forward_hooks for layer in backend.layers)


def test_normalising_twice_changes_nothing(backend: PeftBackend, make_items: ItemMaker) -> None:
    anchor: Anchor = measure(backend, make_items(2), kind="diag", batch_size=2, seed=0, check=none)
    again = normalised(anchor)
    for name, output in anchor.outputs.items():
        torch.testing.assert_close(again.outputs[name].diagonal_D, output.diagonal_D, rtol=1e-4, atol=1e-6)


def test_the_number_of_examples_moves_no_scale_between_the_factors(moved: PeftBackend) -> None:
    """Online EWC blends u and v each by itself: an anchor of few examples must not have another split."""
    found = []
    for examples in (2, 16):
        margins = {
            layer.name: _Margins(
                rows_O=torch.full((layer.b_OR.shape[0],), 3.0 * examples),
                columns_D=torch.full((layer.a_RD.shape[1],), 5.0 * examples),
            )
            for layer in moved.layers
        }
        found.append(_factored(margins, examples, moved.layers))
    for name, u_O in found[0].outputs.items():
        torch.testing.assert_close(found[1].outputs[name].diagonal_D, u_O.diagonal_D)
        torch.testing.assert_close(
            found[1].covariances[name].diagonal_D, found[0].covariances[name].diagonal_D
        )
