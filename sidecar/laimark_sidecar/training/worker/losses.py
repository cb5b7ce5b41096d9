"""The loss of a step: cross-entropy on lessons, KL to the frozen base on core replay, per token over the step.

    L = Σ_pool share_pool / presence_pool · a_pool · (Σ tokens of the pool in the step: weight · loss) / (tokens of the pool)

presence_pool is the part of the job's steps that the pool occurs in: 1 unless the batch is too small for every pool.
Preferences come on top: `preference`.

A mean over the whole step, never a mean of micro-batch means: how a step is split must not move the numbers.

Legend: B batch, T tokens, P kept positions, N loss positions, V vocabulary, K cached logits a position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from laimark_sidecar.training.worker.batches import Pool, Shares

_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BaseLogits:
    """The frozen base's distribution at each answer token: leading logits, and the mass of the rest exactly."""

    token_ids_NK: Tensor
    """int64."""
    logits_NK: Tensor
    """float32."""
    logsumexp_N: Tensor
    """float32; over the whole vocabulary."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pair:
    """The rejected answer of a lesson. Both answers count from where they part: what stands before that is the same."""

    ids: tuple[int, ...]
    """The lesson's prompt, and the rejected answer."""
    positions: tuple[int, ...]
    """Of `ids`, those whose next token is one of the rejected answer's."""
    chosen: tuple[int, ...]
    """Of the lesson's own ids, those whose next token is one of the target's."""
    base_margin: float | None = None
    """log p(target) - log p(rejected) by the frozen base, nats; None until it was asked (`preference.ask_base`)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Item:
    """An example ready to train on."""

    pool: Pool
    ids: tuple[int, ...]
    positions: tuple[int, ...]
    """Positions whose next token carries loss."""
    weight: float
    base: BaseLogits | None = None
    """Core only; one row for each of `positions`."""
    pair: Pair | None = None
    """Lessons only, where a preference is learned."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Right-padded sequences and where their loss is."""

    ids_BT: Tensor
    mask_BT: Tensor
    kept_P: Tensor
    """Positions at which any row needs logits, ascending."""
    rows_N: Tensor
    positions_N: Tensor
    columns_N: Tensor
    """Index into `kept_P` of each loss position."""
    labels_N: Tensor

    def select(self, logits_BPV: Tensor) -> Tensor:
        """Return the logits of the loss positions, (N, V)."""
        return logits_BPV[self.rows_N, self.columns_N]


def collate(items: Sequence[Item], device: torch.device) -> Batch:
    """Pad to the longest; loss positions run item by item, in order."""
    longest = max(len(item.ids) for item in items)
    ids = [[*item.ids, *[0] * (longest - len(item.ids))] for item in items]
    mask = [[1] * len(item.ids) + [0] * (longest - len(item.ids)) for item in items]
    kept = sorted({position for item in items for position in item.positions})
    column = {position: i for i, position in enumerate(kept)}
    flat = [(row, position) for row, item in enumerate(items) for position in item.positions]
    return Batch(
        ids_BT=torch.tensor(ids, device=device),
        mask_BT=torch.tensor(mask, device=device),
        kept_P=torch.tensor(kept, device=device),
        rows_N=torch.tensor([row for row, _ in flat], device=device),
        positions_N=torch.tensor([position for _, position in flat], device=device),
        columns_N=torch.tensor([column[position] for _, position in flat], device=device),
        labels_N=torch.tensor([items[row].ids[position + 1] for row, position in flat], device=device),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWeights:
    """a_pool: what each pool's mean loss is multiplied by, beside its share."""

    user: float
    core: float


def coefficients(items: Sequence[Item], shares: Shares, weights: PoolWeights) -> tuple[float, ...]:
    """Return what each token's loss of each item of a whole step is multiplied by; for `shares` see `step_shares`."""
    tokens: dict[Pool, int] = {"new": 0, "user": 0, "core": 0}
    for item in items:
        tokens[item.pool] += len(item.positions)
    scale = {"new": 1.0, "user": weights.user, "core": weights.core}
    return tuple(shares.of(item.pool) * scale[item.pool] * item.weight / tokens[item.pool] for item in items)


def weighted_loss(logits_NV: Tensor, batch: Batch, items: Sequence[Item], factors: Sequence[float]) -> Tensor:
    """Return a micro-batch's part of the step's loss: Σ over its positions of factor · loss."""
    losses = token_losses(logits_NV, batch, items)
    factor_N = torch.tensor(
        [factor for item, factor in zip(items, factors, strict=True) for _ in item.positions],
        device=losses.device,
    )
    return (losses * factor_N).sum()


def token_losses(logits_NV: Tensor, batch: Batch, items: Sequence[Item]) -> Tensor:
    """Return each loss position's loss in nats: cross-entropy, or KL to the base for core items."""
    pieces: list[Tensor] = []
    start = 0
    for item in items:
        stop = start + len(item.positions)
        if item.base is None:
            pieces.append(
                torch.nn.functional.cross_entropy(
                    logits_NV[start:stop], batch.labels_N[start:stop], reduction="none"
                )
            )
        else:
            pieces.append(kl_to_base(logits_NV[start:stop], item.base))
        start = stop
    return torch.cat(pieces)


def kl_to_base(logits_NV: Tensor, base: BaseLogits) -> Tensor:
    """Return KL(base || model) of each position over the base's leading tokens and one bucket for all others.

    A lower bound of the full KL (data-processing inequality), equal where the rest keeps its shape.
    """
    log_q_NK = logits_NV.log_softmax(-1).gather(1, base.token_ids_NK)
    log_p_NK = base.logits_NK - base.logsumexp_N[:, None]
    p_NK = log_p_NK.exp()
    p_rest_N = (1.0 - p_NK.sum(1)).clamp_min(_TINY)
    q_rest_N = (1.0 - log_q_NK.exp().sum(1)).clamp_min(_TINY)
    return (p_NK * (log_p_NK - log_q_NK)).sum(1) + p_rest_N * (p_rest_N.log() - q_rest_N.log())
