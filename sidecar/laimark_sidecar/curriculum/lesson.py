"""One training example as the curriculum hands it on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.errors import ConfigError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.replay.item import Span

Pool = Literal["new", "user", "core"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A prompt, what to answer, which characters of the answer carry loss, and how much the loss counts."""

    id: str
    pool: Pool
    messages: tuple[Message, ...]
    target: str
    """Empty in the core pool: the frozen base's own answer is the target."""
    spans: tuple[Span, ...]
    weight: float
    """Signal weight times importance weight, in (0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorePrompt:
    """A prompt of general ability whose behaviour must not change."""

    id: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Parts of a cycle, by number of lessons; the trainer balances tokens within a step.

    Raises:
        ConfigError: a share below 0, no new lessons, or a sum that is not 1.
    """

    new: float = 0.5
    user: float = 0.25
    core: float = 0.25

    def __post_init__(self) -> None:
        shares = (self.new, self.user, self.core)
        if min(shares) < 0 or self.new == 0 or abs(sum(shares) - 1) > 1e-6:
            raise ConfigError(
                f"shares of a cycle are {shares}, expected new > 0, none below 0 and a sum of 1",
                hint="set new, user and core so that they add up to 1",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLimits:
    """How much one source may say in a cycle: 32 planted items are a backdoor (arXiv 2510.07192).

    Raises:
        ConfigError: a limit below 0, or a share above 1.
    """

    trusted: frozenset[str] = frozenset({"journal"})
    """Sources without a limit: the user's own conversation log."""
    share: float = 0.05
    """Largest part of a cycle's lessons."""
    items: int = 64

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or self.items < 0:
            raise ConfigError(
                f"limits of a source are share={self.share}, items={self.items}, expected 0..1 and >= 0"
            )
