"""The recipe of a training run: what decides the result, apart from data and network size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scripts.demo_base_training.trees import ANSWER, CONTEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What decides the result.

    Attributes:
        minutes: Wall-clock budget over all runs; the learning rate reaches zero at its end.
        batch_rows: Sequences of a step.
        muon_lr, adam_lr: Peak learning rates of the hidden matrices, and of embedding and norms.
        steady_share: Share of the budget before the linear decay starts.
        answer_weight: Weight of an answer token, against 1 of a context token, in the first phase.
        final_answer_weight: The same in the last phase.
        final_share: Share of the budget the last phase takes.
        seed: Of the initial weights and the order of the sequences.
    """

    minutes: float
    batch_rows: int = 8
    muon_lr: float = 0.01
    adam_lr: float = 0.003
    weight_decay: float = 0.05
    warmup_steps: int = 60
    steady_share: float = 0.4
    answer_weight: float = 1.5
    final_answer_weight: float = 4.0
    final_share: float = 0.25
    seed: int = 0

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
