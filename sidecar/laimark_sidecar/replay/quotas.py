"""How many items each source and each of its strata may keep: equal shares, and what one does not need the others get.

Sources first: months and languages are what a log tells, so a log that invents a thousand of them has a thousand
strata, and shares among strata alone would push out everybody else's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HELDOUT_SHARE = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Items of one source, signal, domain and month; a source's held-out items together are one stratum."""

    id: int
    source: str
    heldout: bool
    month: str
    worth: bool
    """Whether its signal has a weight above 0; what is never drawn makes room first."""
    held: int


def heldout_capacity(capacity: int) -> int:
    """Return how many of `capacity` places belong to held-out items: 15%, at least one."""
    return max(1, round(capacity * HELDOUT_SHARE))


def allot(held: Sequence[int], places: int) -> tuple[int, ...]:
    """Share `places` among strata that hold `held` items each, in order of preference.

    Water-filling: the result is `min(held, level)` with the highest level that fits; the places that do not
    divide evenly go, one each, to the first strata that could use them.
    """
    quotas = [0] * len(held)
    smallest_first = sorted(range(len(held)), key=held.__getitem__)
    for rank, index in enumerate(smallest_first):
        level, remainder = divmod(places, len(held) - rank)
        if held[index] > level:
            wanting = sorted(smallest_first[rank:])
            for position, other in enumerate(wanting):
                quotas[other] = level + (position < remainder)
            break
        quotas[index] = held[index]
        places -= held[index]
    return tuple(quotas)


def quotas(strata: Sequence[Stratum], capacity: int) -> dict[int, int]:
    """Return the quota of each stratum, by id, for a buffer of `capacity` items.

    Held-out items have 15% of their own. The rest is shared by strata that are worth something; strata of weight 0
    share what those leave. Uneven places go to the newest month, so that with more strata than places the oldest give
    way.
    """
    own = heldout_capacity(capacity)
    result = _shared([stratum for stratum in strata if stratum.heldout], own)
    left = capacity - own
    for worth in (True, False):
        group = [stratum for stratum in strata if not stratum.heldout and stratum.worth == worth]
        shares = _shared(group, left)
        result |= shares
        left -= sum(shares.values())
    return result


def _shared(group: Sequence[Stratum], places: int) -> dict[int, int]:
    """Share `places` equally among sources, and each one's share among its strata."""
    by_source: dict[str, list[Stratum]] = {}
    for stratum in sorted(group, key=lambda one: (one.month, one.id), reverse=True):
        by_source.setdefault(stratum.source, []).append(stratum)
    shares = allot([sum(one.held for one in strata) for strata in by_source.values()], places)
    return {
        stratum.id: quota
        for strata, share in zip(by_source.values(), shares, strict=True)
        for stratum, quota in zip(strata, allot([one.held for one in strata], share), strict=True)
    }
