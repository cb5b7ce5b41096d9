"""How far the model has moved from the frozen base, measured on what the base itself answered.

Legend: N loss positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from laimark_sidecar.training.worker.backend import TrainerBackend
from laimark_sidecar.training.worker.batches import micro_batches
from laimark_sidecar.training.worker.losses import Item, collate, kl_to_base


def measure_kl(
    backend: TrainerBackend, items: Sequence[Item], *, batch_size: int, check: Callable[[], None]
) -> float:
    """Return the mean next-token KL(base || model) over all answer tokens of the core items, nats; 0 without any."""
    total, count = 0.0, 0
    for members in micro_batches(range(len(items)), [len(item.ids) for item in items], size=batch_size):
        check()
        chosen = [items[i] for i in members]
        batch = collate(chosen, backend.device)
        with torch.no_grad():
            logits_NV = batch.select(backend.logits(batch.ids_BT, batch.mask_BT, batch.kept_P))
        start = 0
        for item in chosen:
            assert item.base is not None
            stop = start + len(item.positions)
            total += float(kl_to_base(logits_NV[start:stop], item.base).double().sum())
            start, count = stop, count + len(item.positions)
    return total / count if count else 0.0
