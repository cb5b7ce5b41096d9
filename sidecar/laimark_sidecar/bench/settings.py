"""What decides a run's numbers, beside its seed and its arm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError, StateError

SETTINGS = "settings.json"
"""In a run folder: what it is bound to."""


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
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    """Where the model is: a number that came from another device is another number."""

    def __post_init__(self) -> None:
        sizes = (
            "cycles",
            "tasks",
            "exam",
            "stay",
            "steps",
            "batch",
            "rank",
            "core_exam",
            "core_watched",
            "exam_every",
        )
        for name in sizes:
            if getattr(self, name) < 1:
                raise DataError(f"{name} is {getattr(self, name)}, and must be at least 1")

    def examines(self, cycle: int) -> bool:
        """Say whether the exams are due after a cycle."""
        return cycle % self.exam_every == 0 or cycle == self.cycles


def held_settings(out: Path) -> Settings | None:
    """Return the settings that a folder is bound to; None where it is bound to none.

    Raises:
        StateError: they are damaged.
    """
    path = out / SETTINGS
    if not path.is_file():
        return None
    try:
        return decode_json(path.read_bytes(), Settings)
    except MalformedError as error:
        raise StateError(f"{path} is damaged: {error}", hint="give another --out") from error
