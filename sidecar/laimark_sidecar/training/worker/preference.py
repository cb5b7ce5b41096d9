"""Direct preference optimisation: what the user rejected becomes less likely against what he made of it.

    L = -log sigmoid(β · [(log p(y_w|x) - log p(y_l|x)) - (log p_base(y_w|x) - log p_base(y_l|x))])

with sums over each answer's tokens, its end included (Rafailov et al. 2023, arXiv 2305.18290, eq. 7). Cross-entropy on y_w
stays beside it (DPO + NLL: Pang et al. 2024, arXiv 2404.19733, eq. 1; RPO: Liu et al. 2024, arXiv 2405.16436): DPO alone is
content where both answers become unlikely, as long as the rejected one falls faster.

The reference is the frozen base for all cycles, not the last version: what was learned once stays learned at no cost.

Legend: P pairs, N loss positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from laimark_sidecar.training.worker.backend import TrainerBackend
from laimark_sidecar.training.worker.batches import Pool, Shares, micro_batches
from laimark_sidecar.training.worker.losses import (
    Batch,
    Item,
    Pair,
    PoolWeights,
    collate,
    token_losses,
    weighted_loss,
)


def pair_of(
    ids: Sequence[int], answer_start: int, rejected: Sequence[int], *, max_length: int
) -> Pair | None:
    """Return the pair of a lesson and a rejected answer to the very same prompt; None where the two do not part.

    A rejected answer that does not fit loses its end: how it begins is what is not wanted, and the lesson's prompt is
    not cut for it.

    Args:
        ids: of the lesson.
        answer_start: where its prompt ends, at least 1.
        rejected: tokens of the rejected answer and its end.
        max_length: most tokens of a sequence.
    """
    fitting = tuple(rejected)[: max_length - answer_start]
    both = zip(ids[answer_start:], fitting, strict=False)
    alike = next((place for place, (one, other) in enumerate(both) if one != other), None)
    if alike is None:
        return None
    parting = answer_start + alike - 1
    whole = (*ids[:answer_start], *fitting)
    return Pair(
        ids=whole,
        positions=tuple(range(parting, len(whole) - 1)),
        chosen=tuple(range(parting, len(ids) - 1)),
    )


def dpo_loss(margin_P: Tensor, base_margin_P: Tensor, *, beta: float) -> Tensor:
    """Return each pair's loss in nats, log 2 where the model prefers what the base prefers.

    Args:
        margin_P: log p(y_w|x) - log p(y_l|x) of the model, nats.
        base_margin_P: the same of the frozen base.
        beta: above 0.
    """
    return -torch.nn.functional.logsigmoid(beta * (margin_P - base_margin_P))


def sequences(items: Sequence[Item]) -> tuple[Item, ...]:
    """Return what goes through the model for these examples: each of them, and behind all of them the rejected answers.

    A lesson with a pair gives up the logits of its target's other tokens too; its own loss positions stay the first ones.
    """
    lessons = (
        replace(item, positions=(*item.positions, *sorted({*item.pair.chosen} - {*item.positions})))
        if item.pair
        else item
        for item in items
    )
    rejected = (
        Item(pool=item.pool, ids=item.pair.ids, positions=item.pair.positions, weight=item.weight)
        for item in items
        if item.pair
    )
    return (*lessons, *rejected)


def widths(items: Sequence[Item]) -> list[int]:
    """Return how many sequences each example is."""
    return [1 if item.pair is None else 2 for item in items]


def lengths(items: Sequence[Item]) -> list[int]:
    """Return the tokens of each example's longest sequence."""
    return [max(len(item.ids), len(item.pair.ids) if item.pair else 0) for item in items]


def pair_coefficients(
    items: Sequence[Item], shares: Shares, weights: PoolWeights, preference_weight: float
) -> tuple[float, ...]:
    """Return what each example's preference loss is multiplied by, 0 without a pair; `items` are a whole step.

    A mean over the pool's examples, those without a pair too: in a step with one pair among many examples it does not
    count for all of them, and rejected tokens are in no mean over tokens.
    """
    count: dict[Pool, int] = {"new": 0, "user": 0, "core": 0}
    for item in items:
        count[item.pool] += 1
    scale = {"new": 1.0, "user": weights.user, "core": weights.core}
    return tuple(
        preference_weight * shares.of(item.pool) * scale[item.pool] * item.weight / count[item.pool]
        if item.pair
        else 0.0
        for item in items
    )


def paired_loss(
    logits_NV: Tensor,
    batch: Batch,
    items: Sequence[Item],
    factors: Sequence[float],
    pair_factors: Sequence[float],
    *,
    beta: float,
) -> Tensor:
    """Return a micro-batch's part of the step's loss, its preferences included; without any pair it is `weighted_loss`.

    Args:
        logits_NV: of the loss positions of `batch`.
        batch: made of `sequences(items)`.
        items: examples, with or without a pair; the base was asked about every pair.
        factors: of each example's tokens, see `losses.coefficients`.
        pair_factors: of each example's pair, see `pair_coefficients`.
        beta: of DPO.
    """
    paired = [number for number, item in enumerate(items) if item.pair]
    if not paired:
        return weighted_loss(logits_NV, batch, items, factors)
    rows = sequences(items)
    losses_N = token_losses(logits_NV, batch, rows)
    factor_N = [0.0] * len(losses_N)
    start = 0
    for item, row, factor in zip(items, rows, factors, strict=False):
        for place in range(start, start + len(item.positions)):
            factor_N[place] = factor
        start += len(row.positions)
    task = (losses_N * torch.tensor(factor_N, device=losses_N.device)).sum()
    factor_P = torch.tensor([pair_factors[number] for number in paired], device=losses_N.device)
    base_P = torch.tensor([_base_margin(items[number]) for number in paired], device=losses_N.device)
    losses_P = dpo_loss(_margins(losses_N, rows, items), base_P, beta=beta)
    return task + (losses_P * factor_P).sum()


@torch.no_grad()
def ask_base(
    backend: TrainerBackend, items: Sequence[Item], *, batch_size: int, check: Callable[[], None]
) -> tuple[Item, ...]:
    """Return the items with what the frozen base says of their pairs, whatever adapter is on the model.

    Args:
        backend: the model.
        items: examples with or without a pair.
        batch_size: most sequences at once.
        check: called before each batch; may raise to stop.
    """
    found = list(items)
    paired = [number for number, item in enumerate(items) if item.pair]
    with backend.base_only():
        for members in micro_batches(paired, lengths(items), size=batch_size, widths=widths(items)):
            check()
            chosen = [items[i] for i in members]
            rows = sequences(chosen)
            batch = collate(rows, backend.device)
            logits_NV = batch.select(backend.logits(batch.ids_BT, batch.mask_BT, batch.kept_P))
            margins = _margins(token_losses(logits_NV, batch, rows), rows, chosen).tolist()
            for i, margin in zip(members, margins, strict=True):
                found[i] = _with_base_margin(items[i], margin)
    return tuple(found)


def _margins(losses_N: Tensor, rows: Sequence[Item], items: Sequence[Item]) -> Tensor:
    """Return log p(y_w|x) - log p(y_l|x) of each pair, of the token losses of all rows."""
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row.positions))
    paired = [number for number, item in enumerate(items) if item.pair]
    margins: list[Tensor] = []
    for behind, number in enumerate(paired):
        pair, rejected = items[number].pair, len(items) + behind
        assert pair is not None
        place = {position: starts[number] + k for k, position in enumerate(rows[number].positions)}
        chosen_N = torch.tensor([place[position] for position in pair.chosen], device=losses_N.device)
        margins.append(losses_N[starts[rejected] : starts[rejected + 1]].sum() - losses_N[chosen_N].sum())
    return torch.stack(margins)


def _base_margin(item: Item) -> float:
    assert item.pair is not None
    assert item.pair.base_margin is not None, "the base was not asked"
    return item.pair.base_margin


def _with_base_margin(item: Item, margin: float) -> Item:
    assert item.pair is not None
    return replace(item, pair=replace(item.pair, base_margin=margin))
