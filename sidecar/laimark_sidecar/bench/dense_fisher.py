"""The Fisher as the literature writes it: one number a weight, which only a tiny model can afford.

    F_W = mean over examples of M∘M,   M = Σ_t g_t x_tᵀ

with labels sampled from the model, squared for each example after summing over its tokens. Of the factors of
W + s·B·A the gradients follow from the same M: by A it is s·Bᵀ M (zero while B is), by B it is s·M Aᵀ.

Legend: B batch, T tokens, D inputs, O outputs, R rank, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from laimark_sidecar.training.worker.backend import TrainerBackend
from laimark_sidecar.training.worker.layers import Layer
from laimark_sidecar.training.worker.losses import Item, collate

Squares = Mapping[str, Tensor]
_BATCH = 8


def weight_fisher(backend: TrainerBackend, items: Sequence[Item], *, seed: int) -> dict[str, Tensor]:
    """Return the diagonal Fisher (O, D) of every adapted weight, by the layer's name, at the model as it stands."""
    total: dict[str, Tensor] = {}
    for layer, m_OD in example_gradients(backend, items, seed=seed):
        _add(total, layer.name, m_OD.square())
    return {name: summed / len(items) for name, summed in total.items()}


def factor_fisher(backend: TrainerBackend, items: Sequence[Item], *, seed: int) -> dict[str, Tensor]:
    """Return the diagonal Fisher of A (R, D) and B (O, R) apart, by the layer's name and `.a` or `.b`."""
    total: dict[str, Tensor] = {}
    for layer, m_OD in example_gradients(backend, items, seed=seed):
        a_RD, b_OR = layer.a_RD.detach(), layer.b_OR.detach()
        _add(total, f"{layer.name}.a", (layer.scale * b_OR.T @ m_OD).square())
        _add(total, f"{layer.name}.b", (layer.scale * m_OD @ a_RD.T).square())
    return {name: summed / len(items) for name, summed in total.items()}


def example_gradients(
    backend: TrainerBackend, items: Sequence[Item], *, seed: int
) -> Iterator[tuple[Layer, Tensor]]:
    """Yield M (O, D) of each layer and example, float32; each is gone when the next is asked for."""
    generator = torch.Generator(device="cpu").manual_seed(seed)
    inputs: dict[str, Tensor] = {}
    gradients: dict[str, Tensor] = {}
    handles = [
        layer.linear.register_forward_hook(_watch(layer.name, inputs, gradients)) for layer in backend.layers
    ]
    try:
        for start in range(0, len(items), _BATCH):
            batch = collate(items[start : start + _BATCH], backend.device)
            logits_NV = batch.select(backend.logits(batch.ids_BT, batch.mask_BT, batch.kept_P))
            probabilities = logits_NV.detach().softmax(-1).cpu()
            labels = torch.multinomial(probabilities, 1, generator=generator)[:, 0].to(backend.device)
            torch.autograd.backward(torch.nn.functional.cross_entropy(logits_NV, labels, reduction="sum"))
            for layer in backend.layers:
                layer.a_RD.grad = layer.b_OR.grad = None
                # Padded positions have no loss behind them, so their g is zero and they add nothing.
                for g_TO, x_TD in zip(gradients[layer.name], inputs[layer.name], strict=True):
                    yield layer, g_TO.T @ x_TD
    finally:
        for handle in handles:
            handle.remove()


def _watch(
    name: str, inputs: dict[str, Tensor], gradients: dict[str, Tensor]
) -> Callable[[torch.nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    def hook(_module: torch.nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        inputs[name] = args[0].detach().float()
        # With a frozen base and no adapter nothing asks for a gradient yet: the output has to.
        wanted = output if output.requires_grad else output.detach().requires_grad_()
        wanted.register_hook(lambda gradient: gradients.__setitem__(name, gradient.detach().float()))  # type: ignore[no-untyped-call]
        return wanted

    return hook


def _add(total: dict[str, Tensor], name: str, squares: Tensor) -> None:
    total[name] = total[name] + squares if name in total else squares
