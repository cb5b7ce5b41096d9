"""The recipe of a training run: what decides the result, apart from data and network size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scripts.demo_base_training.conversations import ANSWER, CONTEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What decides the result.

    Attributes:
        minutes: Wall-clock budget over all runs; the learning rate reaches zero at its end.
        batch_tokens: Padded tokens of a step.
        muon_lr, adam_lr: Peak learning rates of the hidden matrices, and of embedding and norms.
        steady_share: Share of the budget before the linear decay starts.
        answer_weight: Weight of an answer token, against 1 of a context token, in the first phase.
        final_answer_weight: The same in the last phase.
        final_share: Share of the budget the last phase takes.
        seed: Of the initial weights and the order of batches.
    """

    minutes: float
    batch_tokens: int = 3072
    muon_lr: float = 0.02
    adam_lr: float = 0.004
    weight_decay: float = 0.05
    warmup_steps: int = 40
    steady_share: float = 0.4
    answer_weight: float = 3.0
    final_answer_weight: float = 8.0
    final_share: float = 0.3
    seed: int = 0

    def for_further_training(self) -> Recipe:
        """Return the recipe for a network that is trained already.

        It needs no plateau, and the full rates would only undo what it knows.
        """
        return replace(self, muon_lr=0.008, adam_lr=0.0015, steady_share=0.15)

    def lr_factor(self, step: int, done: float) -> float:
        """Return the factor of the peak rate: warm-up, plateau, then linear to zero at ``done`` = 1."""
        decay = min(1.0, max(0.0, (1 - done) / (1 - self.steady_share)))
        return min(decay, (step + 1) / self.warmup_steps)

    def role_weights(self, done: float) -> NDArray[np.float32]:
        """Return the loss weight of each role when ``done`` of the budget is spent."""
        final = done > 1 - self.final_share
        weights = np.zeros(3, dtype=np.float32)
        weights[CONTEXT] = 1.0
        weights[ANSWER] = self.final_answer_weight if final else self.answer_weight
        return weights
