"""Which held-out conversations are looked at when: each cycle, before a promotion, or never for a decision.

A set that is asked each cycle is slowly learned by whoever adapts to its answers: the line search, a user who changes
settings until something passes. So most held-out items are kept from it. A conversation belongs to one set by its hash,
whoever reads it and whenever. Shares are of what arrives once there are enough held-out items at all (`OPENS_AT`): until
then all of them screen, as what screened once is no longer fresh and every item is needed there. So a user with 40 has one
set, and one with 4,000 has about 1,500 + 2,000 + 400.
"""

from __future__ import annotations

import hashlib
from typing import Literal

HeldOutSet = Literal["screen", "promotion", "vault"]
"""`screen`: asked for each candidate. `promotion`: asked of one that passed the screen. `vault`: never for a decision."""

OPENS_AT = 200
"""Held-out items at which the other sets begin to fill. With fewer the screen could spare none: a true gain of .1 nats at a
spread of .5 is shown 81% of the time by 200 items, 52% by half of them (normal test at .05, two-sided)."""
PROMOTION_SHARE = 0.5
VAULT_SHARE = 0.1
MIN_PROMOTION = 100
"""Below this the promotion set says less than it costs, and a candidate is promoted by the screen alone."""
MAX_PROMOTION = 3000
"""The newest: learning.md, "Validation"."""


def set_of(conversation: str, *, opened: bool) -> HeldOutSet:
    """Return the set of a held-out item.

    Args:
        conversation: what all items of one conversation share: the id of its root prompt.
        opened: whether the item arrived after the other sets were opened.
    """
    if not opened:
        return "screen"
    # Salted: the hash that made it a held-out conversation must not decide this as well.
    digest = hashlib.sha256(f"held-out set\0{conversation}".encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64
    if place < VAULT_SHARE:
        return "vault"
    return "promotion" if place < VAULT_SHARE + PROMOTION_SHARE else "screen"
