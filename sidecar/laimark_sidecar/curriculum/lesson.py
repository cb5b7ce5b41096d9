"""One training example as the curriculum hands it on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.errors import ConfigError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.replay.item import Signal, Span

Pool = Literal["new", "user"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A prompt, what to answer, which characters of the answer carry loss, and how much the loss counts."""

    id: str
    pool: Pool
    signal: Signal
    messages: tuple[Message, ...]
    target: str
    spans: tuple[Span, ...]
    weight: float
    """Signal weight times importance weight, in (0, 1]."""
    rejected: str = ""
    """What the user put the target in the place of, where that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLimits:
    """How much the sources that are not trusted may say in a cycle, among lessons and among judges, all together: 32 planted items are a backdoor (arXiv 2510.07192).

    Raises:
        ConfigError: a limit below 0, or a share above 1.
    """

    trusted: frozenset[str]
    """Sources without a limit: the user's own conversation log."""
    items: int
    """Most lessons, and most judges, of a cycle."""
    share: float = 0.05
    """Largest part of a cycle's lessons, and of its judges."""

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or self.items < 0:
            raise ConfigError(
                f"limits of a source are share={self.share}, items={self.items}, expected 0..1 and >= 0"
            )

    def most(self, total: int) -> int:
        """Return how many of `total` may be of sources that are not trusted."""
        return min(self.items, int(self.share * total))
