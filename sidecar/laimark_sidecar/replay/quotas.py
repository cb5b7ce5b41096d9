"""How many items each stratum may keep: an equal share, and what one does not need goes to the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HELDOUT_SHARE = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Items of one signal, domain and month; all held-out items together are one stratum."""

    id: int
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

    Held-out items have 15% of their own. The rest is shared equally by strata that are worth something; strata
    of weight 0 share what those leave. Uneven places go to the newest month, so that with more strata than
    places the oldest give way.
    """
    own = heldout_capacity(capacity)
    result = {stratum.id: min(stratum.held, own) for stratum in strata if stratum.heldout}
    left = capacity - own
    for worth in (True, False):
        group = [stratum for stratum in strata if not stratum.heldout and stratum.worth == worth]
        group.sort(key=lambda stratum: (stratum.month, stratum.id), reverse=True)
        shares = allot([stratum.held for stratum in group], left)
        result.update({stratum.id: share for stratum, share in zip(group, shares, strict=True)})
        left -= sum(shares)
    return result
