"""Learnable surprise: what the user's explanation would have made easier, which is what is worth replaying."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass

from laimark_sidecar.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemLoss:
    """Mean loss of one item's target under the current adapter, in nats per token.

    Raises:
        DataError: a loss is not a finite number.
    """

    id: str
    loss: float
    """l(y|x)."""
    loss_hint: float | None
    """l(y|x, hint): with the user's explanation in the prompt; None where there is none, which leaves the priority."""
    loss_accepted: float | None = None
    """l(y|x) when an accepted adapter had just learned it; only the first one is kept, None for not yet."""

    def __post_init__(self) -> None:
        for loss in (self.loss, self.loss_hint, self.loss_accepted):
            if loss is not None and not math.isfinite(loss):
                raise DataError(f"item {self.id} has a loss of {loss}, expected a finite number of nats")


def priority(weight: float, losses: ItemLoss) -> float | None:
    """Return `w * max(0, l(y|x) - l(y|x, hint))` in nats per token; None where there is no hint.

    Raw loss would keep typos and poison: they stay surprising however well they are explained.
    """
    return None if losses.loss_hint is None else weight * max(0.0, losses.loss - losses.loss_hint)


def record(connection: sqlite3.Connection, losses: ItemLoss) -> int:
    """Keep an item's losses and the priority that follows from them; returns whether it is held, as 0 or 1."""
    row = connection.execute("SELECT weight FROM items WHERE id = ?", (losses.id,)).fetchone()
    if row is None:
        return 0
    connection.execute(
        """UPDATE items SET loss = ?, loss_accepted = coalesce(loss_accepted, ?), priority = coalesce(?, priority)
        WHERE id = ?""",
        (losses.loss, losses.loss_accepted, priority(row[0], losses), losses.id),
    )
    return 1
