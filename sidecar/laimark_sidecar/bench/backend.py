"""The product's backend, faster for a benchmark: bfloat16 autocast on the CPU, and greedy answers in batches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from safetensors.torch import save
from torch import Tensor

from laimark_sidecar.bench.scoring import Asked, Scores
from laimark_sidecar.training.job import TrainJob
from laimark_sidecar.training.worker.backend import PeftBackend, adapter_tensors

_REMEMBERED = 6
"""Adapters whose scores are kept: what serves, and a candidate at each scale of the line search."""


class BenchBackend(PeftBackend):
    """Equal to the product's but for the precision of its matrix products, where `autocast` says so."""

    def __init__(self, job: TrainJob, *, autocast: bool) -> None:
        super().__init__(job)
        self._autocast = autocast
        self.kind = job.adapter
        self.fresh = adapter_tensors(self.layers)
        """The adapter before any lesson: B is zero."""
        self.frozen_scores: dict[Asked, Scores] = {}
        """What the frozen base said: for `score_once`."""
        self._scores: dict[str, dict[Asked, Scores]] = {}

    def scores_of(self, adapter: dict[str, Tensor]) -> dict[Asked, Scores]:
        """Return what an adapter said, for `score_once`."""
        digest = hashlib.sha256(save(adapter)).hexdigest()
        known = self._scores.pop(digest, {})
        self._scores = {**dict(list(self._scores.items())[-_REMEMBERED + 1 :]), digest: known}
        return known

    def logits(self, ids_BT: Tensor, mask_BT: Tensor, positions_P: Tensor) -> Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._autocast):
            return super().logits(ids_BT, mask_BT, positions_P)

    @torch.no_grad()
    def answers(
        self, prompts: Sequence[Sequence[int]], *, end_id: int, pad_id: int = 0, max_new_tokens: int = 40
    ) -> list[list[int]]:
        """Return greedy answers without their end; all prompts in one batch, padded on the left."""
        longest = max(map(len, prompts))
        ids_BT = torch.tensor([[pad_id] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
        mask_BT = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        ids_BT, mask_BT = ids_BT.to(self.device), mask_BT.to(self.device)
        places_BT = (mask_BT.cumsum(-1) - 1).clamp_min(0)
        cache, found = None, [[] for _ in prompts]  # type: ignore[var-annotated]
        open_rows = set(range(len(prompts)))
        for _ in range(max_new_tokens):
            # Without autocast: one token a row is nothing but casting the weights anew at each step.
            output = self._model(
                input_ids=ids_BT,
                attention_mask=mask_BT,
                position_ids=places_BT,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = output.past_key_values
            next_B1 = output.logits[:, -1].argmax(-1, keepdim=True)
            for row in tuple(open_rows):
                token = int(next_B1[row, 0])
                if token == end_id:
                    open_rows.discard(row)
                else:
                    found[row].append(token)
            if not open_rows:
                break
            ids_BT, places_BT = next_B1, places_BT[:, -1:] + 1
            mask_BT = torch.cat([mask_BT, mask_BT.new_ones((len(prompts), 1))], dim=1)
        return found
