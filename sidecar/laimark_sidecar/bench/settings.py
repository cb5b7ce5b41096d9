"""What decides a run's numbers, beside its seed and its arm."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Sizes and rates; equal settings on one machine give equal results."""

    base: str
    cycles: int = 12
    tasks: int = 192
    """New tasks a cycle."""
    written: int = 24
    """Of them, how many are also answered greedily, for edit similarity and exact match as text."""
    exam: int = 100
    """Tasks of each user's exam."""
    stay: int = 3
    """Cycles until the next user comes."""
    steps: int = 24
    batch: int = 8
    learning_rate: float = 1e-3
    rank: int = 16
    alpha: float = 32.0
    reservoir: int = 512
    """Earlier tasks kept for replay, a uniform sample of all (the product's buffer is larger and has priorities)."""
    core_replay: int = 96
    """Core prompts of the `train` split: replayed, and the core anchor's examples."""
    core_wide: int = 0
    """Lines to complete of library files that the base was trained on, with its own answers: what the arms with a wide core
    replay; 0 leaves those arms out."""
    core_watched: int = 24
    """Core prompts of the `train` split that the engine's governor measures KL on."""
    core_exam: int = 100
    """Core prompts of the `screen` split: never trained on, never governed by."""
    kl_soft: float = 0.02
    lambda_user: float = 0.1
    gamma: float = 0.95
    library: int = 0
    """Lines of library files that the base was not trained on, to complete: a wide measure of what it could do."""
    exam_every: int = 1
    """Cycles between two exams: they cost as much as the training, and long runs need fewer of them."""
    shots: int = 3
    """Earlier corrections in the prompt of the memory arms."""
    autocast: bool = True
    """bfloat16 where the processor has it: half the time; losses differ in the fourth digit."""
    oracle_every: int = 0
    """Cycles between two trainings of `joint`, whose steps grow with the cycles; 0 is `stay`."""
    fresh_factor: int = 3
    """Steps of `fresh` in units of a cycle's."""
