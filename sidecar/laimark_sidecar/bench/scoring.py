"""Scores of questions: one figure an item, so that everything can be paired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from laimark_sidecar.training.worker.backend import TrainerBackend
from laimark_sidecar.training.worker.batches import micro_batches
from laimark_sidecar.training.worker.losses import Item, collate, kl_to_base

_BATCH = 32

Asked = tuple[tuple[int, ...], bool]
"""An item as a cache knows it: its ids, and whether it was compared with the base's distributions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Of each item, in the order of the items; the end of the answer counts as a token."""

    nll: tuple[float, ...]
    """Mean negative log-likelihood of the answer's tokens, nats a token."""
    right: tuple[float, ...]
    """Share of the answer's tokens that are the likeliest one, each after the true tokens before it."""
    exact: tuple[float, ...]
    """1 where all are: the greedy answer has exactly these tokens."""
    kl: tuple[float, ...] = ()
    """Core only: mean next-token KL(base || model), nats."""
    entropy: tuple[float, ...] = ()
    """Core only: mean entropy of the next-token distributions, nats."""


NOTHING = Scores(nll=(), right=(), exact=())
"""Of no items: nobody asked."""


def score_once(backend: TrainerBackend, items: Sequence[Item], known: dict[Asked, Scores]) -> Scores:
    """Score a model that never changes: what is in `known` is not asked again."""
    asked: list[Asked] = [(item.ids, item.base is not None) for item in items]
    new = [number for number, one in enumerate(asked) if one not in known]
    found = score(backend, [items[number] for number in new])
    known |= {asked[number]: _one(found, place) for place, number in enumerate(new)}
    kept = [known[one] for one in asked]
    return Scores(**{name: tuple(f for one in kept for f in getattr(one, name)) for name in Scores.__slots__})


def _one(scores: Scores, number: int) -> Scores:
    return Scores(**{name: getattr(scores, name)[number : number + 1] for name in Scores.__slots__})


@torch.no_grad()
def score(backend: TrainerBackend, items: Sequence[Item]) -> Scores:
    """Score the items' answers under the model as it stands."""
    nll, right, kl, entropy = ([0.0] * len(items) for _ in range(4))
    for members in micro_batches(range(len(items)), [len(item.ids) for item in items], size=_BATCH):
        chosen = [items[i] for i in members]
        batch = collate(chosen, backend.device)
        logits_NV = batch.select(backend.logits(batch.ids_BT, batch.mask_BT, batch.kept_P))
        losses_N = torch.nn.functional.cross_entropy(logits_NV, batch.labels_N, reduction="none")
        right_N = (logits_NV.argmax(-1) == batch.labels_N).float()
        start = 0
        for index, item in zip(members, chosen, strict=True):
            stop = start + len(item.positions)
            nll[index] = round(float(losses_N[start:stop].mean()), 5)
            right[index] = round(float(right_N[start:stop].mean()), 5)
            if item.base is not None:
                kl[index] = round(float(kl_to_base(logits_NV[start:stop], item.base).mean()), 6)
                entropy[index] = round(_mean_entropy(logits_NV[start:stop]), 5)
            start = stop
    watched = any(item.base is not None for item in items)
    return Scores(
        nll=tuple(nll),
        right=tuple(right),
        exact=tuple(float(share == 1.0) for share in right),
        kl=tuple(kl) if watched else (),
        entropy=tuple(entropy) if watched else (),
    )


def _mean_entropy(logits_NV: Tensor) -> float:
    logprobs_NV = logits_NV.float().log_softmax(-1)
    return float(-(logprobs_NV.exp() * logprobs_NV).sum(-1).mean())
