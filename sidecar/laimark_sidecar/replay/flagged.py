"""An example that was left out for what it holds: where it came from and which rules found something, never the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.replay.item import Signal

Place = Literal["prompt", "target", "hint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flagged:
    """What is remembered of such an example."""

    item_id: str
    """The id that it would have: a content hash, so the same example is flagged once."""
    exchange_id: str
    record_id: str
    """The line of the log that taught it, an exchange or feedback: read again, it gives the example again."""
    time_s: float
    source: str
    signal: Signal
    rules: tuple[str, ...]
    places: tuple[Place, ...]
