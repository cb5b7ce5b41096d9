"""What a forgotten exchange is known by, should it be told again."""

from __future__ import annotations

from dataclasses import dataclass

ALWAYS_S = 1e18
"""Further than any log tells; not infinity, which JSON has no word for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One thing that it is known by, when it is said between two times. `experience.traces` makes them."""

    hash: str
    """Of a conversation up to the forgotten answer, or of the user's words and the answer; 32 hex digits."""
    since_s: float = -ALWAYS_S
    until_s: float = ALWAYS_S

    @property
    def at_any_time(self) -> bool:
        return self.until_s == ALWAYS_S
