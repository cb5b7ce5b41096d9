"""Measures curvature with hooks on the frozen base linears, so it works at B = 0.

`input`: forward passes only; C = E[x xᵀ] over the positions that predict learned tokens.
`diag`: the true Fisher, with labels sampled from the model. Squared for each example, after summing over its
tokens: the square of a batch mean is not the Fisher. With an example's gradient M = Σ_t g_t x_tᵀ, row and column
sums of M∘M come from T x T matrices alone: Σ_j M_ij² = Σ_t g_ti ((X Xᵀ) g)_ti. The factored Fisher is
F ≈ (row sums) ⊗ (column sums) / total, which has the exact margins.
`kfac`: C of `input`, and G = E[g gᵀ] of the gradients g by the layer's outputs, labels sampled likewise; damped,
G ← ½ G/tr(G)·O + ½ I, because what a few hundred examples never touched is not free to move.

The gradients of `diag` and `kfac` are taken at every position of the sequence, the prompt's too, and still are the Fisher
of the answer alone: only the answer's tokens have labels, and a prompt's position counts as far as attention carries its
output to them (none, after the last block's attention). The weight sits at all of these positions, so leaving them out would
miss a part of its gradient. Over which positions G is averaged is no matter, its trace is divided out. C instead is told by
inputs alone, which know nothing of the loss: there the positions that predict learned tokens stand for it, and long prompts
do not drown short answers. So the two factors of `kfac` see different positions on purpose.

Legend: B batch, T tokens, V vocabulary, D inputs, O outputs, N positions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from laimark_sidecar.training.job import Curvature
from laimark_sidecar.training.worker.backend import TrainerBackend
from laimark_sidecar.training.worker.curvature import (
    LOW_RANK,
    Anchor,
    Covariance,
    compress,
    covariance_key,
    normalised,
)
from laimark_sidecar.training.worker.layers import Layer
from laimark_sidecar.training.worker.losses import Batch, Item, collate

_CHUNK_NUMBERS = 1 << 20
"""Inputs gathered a group before they are compressed: 4 MiB; each compression costs an eigendecomposition."""


def measure(
    backend: TrainerBackend,
    items: Sequence[Item],
    *,
    kind: Curvature,
    batch_size: int,
    seed: int,
    check: Callable[[], None],
) -> Anchor:
    """Return the normalised curvature at the model as it stands (adapter on or off is the caller's choice).

    Args:
        backend: the model.
        items: examples; their learned tokens are what counts.
        kind: which curvature.
        batch_size: sequences a pass.
        seed: of the sampled labels.
        check: called between batches; may raise to leave.
    """
    batches = [items[start : start + batch_size] for start in range(0, len(items), batch_size)]
    if kind == "diag":
        return _measure_outputs(backend, batches, seed, check)
    inputs = _measure_inputs(backend, batches, check)
    if kind == "input":
        return inputs
    return replace(inputs, kind="kfac", outputs=_output_fishers(backend, batches, seed, check))


@dataclass
class _GramSum:
    """Σ x xᵀ, compressed as it grows."""

    compressed: Covariance | None = None
    diagonal_D: Tensor | None = None
    count: int = 0
    pending: list[Tensor] = field(default_factory=list)
    pending_rows: int = 0

    def add(self, x_ND: Tensor) -> None:
        squares = x_ND.double().square().sum(0)
        self.diagonal_D = squares if self.diagonal_D is None else self.diagonal_D + squares
        self.count += x_ND.shape[0]
        self.pending.append(x_ND)
        self.pending_rows += x_ND.shape[0]
        if self.pending_rows * x_ND.shape[1] >= _CHUNK_NUMBERS:
            self.flush()

    def flush(self) -> None:
        if not self.pending:
            return
        kept = [] if self.compressed is None else [self.compressed.rows_KD]
        stacked = torch.cat([*kept, *self.pending])
        assert self.diagonal_D is not None
        self.compressed = compress(stacked, self.diagonal_D, rank=LOW_RANK)
        self.pending, self.pending_rows = [], 0

    def covariance(self) -> Covariance:
        self.flush()
        assert self.compressed is not None
        return self.compressed.scaled(1.0 / self.count)


def _measure_inputs(
    backend: TrainerBackend, batches: Sequence[Sequence[Item]], check: Callable[[], None]
) -> Anchor:
    sums: dict[str, _GramSum] = {}
    firsts: dict[str, Layer] = {}
    for layer in backend.layers:
        firsts.setdefault(layer.input_group, layer)
    current: list[Batch] = []

    def keep(group: str) -> Callable[[torch.nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_module: torch.nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
            batch = current[0]
            sums.setdefault(group, _GramSum()).add(
                inputs[0][batch.rows_N, batch.positions_N].detach().float()
            )

        return hook

    with _hooks([layer.linear.register_forward_hook(keep(group)) for group, layer in firsts.items()]):
        for items in batches:
            check()
            current[:] = [collate(items, backend.device)]
            with torch.no_grad():
                backend.logits(current[0].ids_BT, current[0].mask_BT, current[0].kept_P[-1:])
    covariances = {group: total.covariance() for group, total in sums.items()}
    return normalised(
        Anchor(kind="input", covariances=covariances, outputs={}, examples=sum(map(len, batches)))
    )


@dataclass
class _Margins:
    rows_O: Tensor
    columns_D: Tensor


def example_margins(g_TO: Tensor, x_TD: Tensor) -> tuple[Tensor, Tensor]:
    """Return row sums (O,) and column sums (D,) of M∘M for M = Σ_t g_t x_tᵀ, without building M."""
    x_TT, g_TT = x_TD @ x_TD.T, g_TO @ g_TO.T
    return (g_TO * (x_TT @ g_TO)).sum(0), (x_TD * (g_TT @ x_TD)).sum(0)


def _measure_outputs(
    backend: TrainerBackend, batches: Sequence[Sequence[Item]], seed: int, check: Callable[[], None]
) -> Anchor:
    margins: dict[str, _Margins] = {}

    def add(layer: Layer, g_BTO: Tensor, x_BTD: Tensor, mask_BT: Tensor) -> None:
        _add_examples(margins, layer, g_BTO, x_BTD, mask_BT)

    _sample_gradients(backend, batches, seed, check, add)
    return normalised(_factored(margins, sum(map(len, batches)), backend.layers))


def _output_fishers(
    backend: TrainerBackend, batches: Sequence[Sequence[Item]], seed: int, check: Callable[[], None]
) -> dict[str, Covariance]:
    sums: dict[str, _GramSum] = {}

    def add(layer: Layer, g_BTO: Tensor, _x_BTD: Tensor, mask_BT: Tensor) -> None:
        sums.setdefault(layer.name, _GramSum()).add(g_BTO[mask_BT.bool()])

    _sample_gradients(backend, batches, seed, check, add)
    return {name: damped(total.covariance()) for name, total in sums.items()}


def damped(output: Covariance) -> Covariance:
    """Return ½ G/tr(G)·O + ½ I, of mean diagonal 1; I where nothing was measured."""
    width = output.diagonal_D.numel()
    trace = float(output.full_diagonal_D().double().sum())
    if trace <= 0.0:
        return Covariance(
            rows_KD=output.rows_KD.new_zeros((0, width)), diagonal_D=torch.ones_like(output.diagonal_D)
        )
    half = output.scaled(0.5 * width / trace)
    return replace(half, diagonal_D=half.diagonal_D + 0.5)


def _sample_gradients(
    backend: TrainerBackend,
    batches: Sequence[Sequence[Item]],
    seed: int,
    check: Callable[[], None],
    add: Callable[[Layer, Tensor, Tensor, Tensor], None],
) -> None:
    """Hand to `add`, layer by layer, the gradients by its outputs and its inputs, for labels that the model draws."""
    generator = torch.Generator(device="cpu").manual_seed(seed)
    inputs: dict[str, Tensor] = {}
    gradients: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[[torch.nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def keep_gradient(gradient: Tensor) -> None:
            gradients[name] = gradient.detach().float()

        def hook(_module: torch.nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            inputs[name] = args[0].detach().float()
            # With a frozen base and no adapter nothing asks for a gradient yet: the output has to.
            wanted = output if output.requires_grad else output.detach().requires_grad_()
            wanted.register_hook(keep_gradient)  # type: ignore[no-untyped-call]
            return wanted

        return hook

    with _hooks([layer.linear.register_forward_hook(watch(layer.name)) for layer in backend.layers]):
        for items in batches:
            check()
            batch = collate(items, backend.device)
            logits_NV = batch.select(backend.logits(batch.ids_BT, batch.mask_BT, batch.kept_P))
            loss = torch.nn.functional.cross_entropy(
                logits_NV, _sample(logits_NV, generator), reduction="sum"
            )
            torch.autograd.backward(loss)
            for layer in backend.layers:
                add(layer, gradients[layer.name], inputs[layer.name], batch.mask_BT)
            for layer in backend.layers:
                layer.a_RD.grad = layer.b_OR.grad = None


def _add_examples(
    margins: dict[str, _Margins], layer: Layer, g_BTO: Tensor, x_BTD: Tensor, mask_BT: Tensor
) -> None:
    for g_TO, x_TD, mask_T in zip(g_BTO, x_BTD, mask_BT.bool(), strict=True):
        rows_O, columns_D = example_margins(g_TO[mask_T], x_TD[mask_T])
        total = margins.setdefault(
            layer.name, _Margins(rows_O=torch.zeros_like(rows_O), columns_D=torch.zeros_like(columns_D))
        )
        total.rows_O += rows_O
        total.columns_D += columns_D


def _factored(margins: dict[str, _Margins], examples: int, layers: Sequence[Layer]) -> Anchor:
    covariances: dict[str, Covariance] = {}
    outputs: dict[str, Covariance] = {}
    for layer in layers:
        total = margins[layer.name]
        mass = float(total.rows_O.double().sum())
        root = mass**0.5 if mass > 0.0 else 1.0
        # Both factors get half of what divides them: that keeps them within the range of half precision, and anchors
        # of different numbers of examples blend factor by factor.
        root *= examples**0.5
        columns_D = total.columns_D / root
        covariances[covariance_key("diag", layer)] = Covariance(
            rows_KD=columns_D.new_zeros((0, columns_D.numel())), diagonal_D=columns_D
        )
        rows_O = total.rows_O / root
        outputs[layer.name] = Covariance(rows_KD=rows_O.new_zeros((0, rows_O.numel())), diagonal_D=rows_O)
    return Anchor(kind="diag", covariances=covariances, outputs=outputs, examples=examples)


def _sample(logits_NV: Tensor, generator: torch.Generator) -> Tensor:
    """Return labels drawn from the model's own distribution; drawn on the CPU, so devices agree on the stream."""
    probabilities = logits_NV.detach().float().softmax(-1).cpu()
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0].to(logits_NV.device)


@contextlib.contextmanager
def _hooks(handles: Sequence[torch.utils.hooks.RemovableHandle]) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
