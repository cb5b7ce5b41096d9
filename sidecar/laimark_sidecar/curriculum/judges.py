"""Which held-out items judge a candidate: strangers are limited among judges as they are among lessons.

Whoever fills the held-out set decides what every candidate is judged by: poison as good as a lesson.
"""

from __future__ import annotations

from collections.abc import Sequence

from laimark_sidecar.curriculum.lesson import SourceLimits
from laimark_sidecar.replay.item import Item


def seated(heldout: Sequence[Item], limits: SourceLimits) -> tuple[Item, ...]:
    """Return the items that judge, in the order given: all of trusted sources, and of the others the last ones.

    Those get at most `limits.share` of the judges, themselves counted, and at most `limits.items`, all together.
    """
    strangers = [place for place, item in enumerate(heldout) if item.source not in limits.trusted]
    trusted = len(heldout) - len(strangers)
    count = len(strangers)
    # A share is one of the whole, and sending somebody away makes the whole smaller: repeat until it holds.
    while count > (most := limits.most(trusted + count)):
        count = most
    away = set(strangers[: len(strangers) - count])
    return tuple(item for place, item in enumerate(heldout) if place not in away)
