"""Is there enough to learn from, and to judge by? What may be used now, what waits, and what is lacking."""

from __future__ import annotations

import math
from dataclasses import dataclass

from laimark_sidecar.clock import iso
from laimark_sidecar.curriculum.judges import seated
from laimark_sidecar.curriculum.lesson import SourceLimits
from laimark_sidecar.errors import StateError
from laimark_sidecar.experience.tree import prefix, root_prompt
from laimark_sidecar.pipeline.source_list import trusted
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.validation.held_out_sets import HeldOutSet, set_of

MAX_NEW = 512
"""New items a cycle takes at most; the rest waits for the next one."""
HOUR_S = 3600.0


class NothingToLearnError(StateError):
    """There is too little to learn from, or to judge by; a normal outcome that changes nothing."""


def eligible(workshop: Workshop, store: ReplayStore, *, limit: int = MAX_NEW) -> tuple[Item, ...]:
    """Return the new items that may be learned now, oldest first: past quarantine, strangers within their cap."""
    replay = workshop.config.replay
    return store.new_items(
        limit,
        quarantine_s=replay.quarantine_hours * HOUR_S,
        per_source=replay.per_source,
        trusted=trusted(workshop.home),
        review=replay.review,
    )


def judges(
    workshop: Workshop, store: ReplayStore, *, limit: int, of: HeldOutSet = "screen"
) -> tuple[Item, ...]:
    """Return the newest items of a held-out set that may judge now: past quarantine, strangers within their caps.

    Those are the caps of lessons: `replay.per_source` items and a twentieth of the judges, all strangers together.
    """
    limits = source_limits(workshop)
    replay = workshop.config.replay
    # What can never be seated must not take the place of an older item that can.
    offered = store.judges(
        limit,
        quarantine_s=replay.quarantine_hours * HOUR_S,
        per_source=limits.most(limit),
        trusted=trusted(workshop.home),
        review=replay.review,
        keep=lambda item, opened: set_of(prefix(root_prompt(item.messages)), opened=opened) == of,
    )
    return seated(offered, limits)


def source_limits(workshop: Workshop) -> SourceLimits:
    """Return how much sources that are not trusted may say, as the configuration has it."""
    return SourceLimits(trusted=frozenset(trusted(workshop.home)), items=workshop.config.replay.per_source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What a cycle would find now."""

    new: int
    """Lessons that may be learned."""
    judges: int
    """Held-out examples that may screen a candidate, counted up to `judges_needed`."""
    judges_needed: int
    quarantined: int
    """Lessons that wait."""
    quarantined_heldout: int
    quarantine_until_s: float
    """When the last of both may be used; 0 where nothing waits."""
    heldout_share: float
    unreviewed: int = 0
    """Of both, what nobody has accepted and has to (`replay.review`), in quarantine or past it."""

    @property
    def quarantine_until(self) -> str:
        """The same as people and scripts read it; empty where nothing waits."""
        return iso(self.quarantine_until_s) if self.quarantine_until_s else ""

    @property
    def judges_lacking(self) -> str:
        """What is lacking of held-out examples, in words; empty where there are enough."""
        if self.judges >= self.judges_needed:
            return ""
        waiting = self._waiting(self.quarantined_heldout, "more")
        return f"{self.judges} of {self.judges_needed} held-out examples to judge a version by{waiting}"

    @property
    def lacking(self) -> tuple[str, ...]:
        """Everything for which a cycle cannot begin, in words."""
        waiting = self._waiting(self.quarantined, "lesson" if self.quarantined == 1 else "lessons")
        lessons = "" if self.new else f"nothing new to learn{waiting}"
        return tuple(text for text in (lessons, self.judges_lacking) if text)

    @property
    def corrections(self) -> str:
        """How many corrections bring enough held-out examples, in words; empty where there are enough."""
        if not self.judges_lacking:
            return ""
        count = math.ceil(self.judges_needed / self.heldout_share)
        return f"it takes about {count} corrections (replay.heldout_share), or a smaller gate.min_items"

    @property
    def hint(self) -> str:
        """What to do about it."""
        wait = "wait, or set replay.quarantine_hours in config.toml" if self.quarantine_until_s else ""
        review = f"accept what waits for you ({self.unreviewed}): laimark-sidecar buffer review"
        hints = (wait, review if self.unreviewed else "", self.corrections)
        return "; ".join(hint for hint in hints if hint) or "see: laimark-sidecar buffer stats"

    def _waiting(self, count: int, what: str) -> str:
        verb = "waits" if count == 1 else "wait"
        return f" ({count} {what} {verb} in quarantine until {self.quarantine_until})" if count else ""


def readiness(workshop: Workshop, store: ReplayStore, *, new: int | None = None) -> Readiness:
    """Look what a cycle would find now.

    Args:
        workshop: whose.
        store: its buffer.
        new: how many lessons are `eligible`, where that is known already.
    """
    replay, needed = workshop.config.replay, workshop.config.gate.min_items
    quarantine_s = replay.quarantine_hours * HOUR_S
    waiting = store.quarantined(quarantine_s)
    return Readiness(
        new=len(eligible(workshop, store)) if new is None else new,
        judges=len(judges(workshop, store, limit=needed)),
        judges_needed=needed,
        quarantined=waiting.lessons,
        quarantined_heldout=waiting.heldout,
        quarantine_until_s=waiting.newest_s + quarantine_s if waiting.newest_s else 0.0,
        heldout_share=replay.heldout_share,
        unreviewed=_unreviewed(workshop, store),
    )


def _unreviewed(workshop: Workshop, store: ReplayStore) -> int:
    replay = workshop.config.replay
    if replay.review == "none":
        return 0
    return len(
        store.review.waiting(review=replay.review, trusted=trusted(workshop.home), limit=replay.capacity)
    )
