"""Measures how fast this machine is with a base, so that a run can say beforehand how long it takes."""

from __future__ import annotations

from collections.abc import Callable

import torch

from laimark_sidecar.bench.agenda import Pace
from laimark_sidecar.bench.lab import Lab
from laimark_sidecar.bench.lessons import bare_items
from laimark_sidecar.bench.scoring import score
from laimark_sidecar.training.worker.losses import collate

_SCORED = 32
_TRAINED = 8
_WRITTEN = 8


def measured(lab: Lab) -> Pace:
    """Return the pace on a few of the run's own questions; the model is left as it was.

    Takes seconds. Everything is done once before it is timed: the first time of anything is slow.
    """
    questions = lab.cycles[0][:_SCORED]
    items = bare_items(lab, questions, "new")
    prompts = [
        one.ids[: -len(asked.answer_ids)]
        for one, asked in zip(items[:_WRITTEN], questions[:_WRITTEN], strict=True)
    ]

    def train() -> None:
        batch = collate(items[:_TRAINED], lab.backend.device)
        logits_NV = batch.select(lab.backend.logits(batch.ids_BT, batch.mask_BT, batch.kept_P))
        torch.autograd.backward(torch.nn.functional.cross_entropy(logits_NV, batch.labels_N))
        for layer in lab.backend.layers:
            layer.a_RD.grad = layer.b_OR.grad = None

    return Pace(
        scored=_seconds(lab, lambda: score(lab.backend, items)) / len(items),
        trained=_seconds(lab, train) / len(items[:_TRAINED]),
        written=_seconds(lab, lambda: lab.backend.answers(prompts, end_id=lab.tokenizer.end_ids[-1]))
        / len(prompts),
    )


def _seconds(lab: Lab, work: Callable[[], object]) -> float:
    work()
    begun = lab.clock.monotonic_s()
    work()
    return lab.clock.monotonic_s() - begun
