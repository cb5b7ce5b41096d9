"""What the replay buffer holds: one learning example with where it came from and how much it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.journal.exchange import Message

Signal = Literal["correction", "edit", "kept", "accept", "rephrase", "praise", "none"]
Split = Literal["train", "heldout"]
Provenance = Literal["typed", "pasted", "tool", "model", "client", "edited"]
"""`edited`: the user changed it in review."""

SIGNAL_WEIGHT: dict[Signal, float] = {
    "correction": 1.0,
    "edit": 1.0,
    "kept": 0.8,
    "accept": 0.5,
    "rephrase": 0.2,
    "praise": 0.0,  # optimising approval breeds manipulation (arXiv 2411.02306)
    "none": 0.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Half-open range of characters `[start, end)` of a target, and who wrote it."""

    start: int
    end: int
    provenance: Provenance
    learn: bool
    """Whether these characters carry loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One learning example: a prompt, the answer to learn, and its provenance.

    `id` is the content hash of (messages, target): the same lesson twice is one item.
    """

    id: str
    time_s: float
    source: str
    signal: Signal
    weight: float
    """Signal weight in [0, 1]; items of weight 0 are kept for context, never drawn."""
    domain: str
    """Coarse kind of content, for example `code:python` or `text`; part of the stratum."""
    split: Split
    """By hash of the conversation's root prompt; `heldout` never enters training, whatever happens later."""
    messages: tuple[Message, ...]
    """The prompt: everything before the answer."""
    target: str
    spans: tuple[Span, ...]
    """Cover the target without gaps or overlaps, in order."""
    hint: str = ""
    """What the user said that explains the target; loss(y|x) - loss(y|x,hint) is learnable surprise."""
    exchange_ids: tuple[str, ...] = ()
    """The exchanges that this example was made from (for `why` and `forget`)."""
    answered_by: str = ""
    """Version that wrote the answer that was corrected or accepted; empty for the base."""
    rejected: str = ""
    """What the model had answered to the same prompt, as recorded, where the user said no to it or wrote over it; empty
    where nobody did, where it is not known, and where it holds what may not be learned."""
