"""A batch of log records becomes what the replay store takes in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from laimark_sidecar.experience.candidate import Dropped
from laimark_sidecar.experience.examples import Lessons, lessons, lessons_from_feedback
from laimark_sidecar.experience.screening import STRICT, Policy, Screen
from laimark_sidecar.experience.tree import Answers
from laimark_sidecar.journal.exchange import Exchange, Feedback
from laimark_sidecar.replay.answered import Answered
from laimark_sidecar.replay.flagged import Flagged
from laimark_sidecar.replay.item import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """What a batch of records teaches, ready for `ReplayStore.ingest`."""

    answered: tuple[Answered, ...]
    items: tuple[Item, ...]
    """Each id once, with its strongest signal."""
    dropped: tuple[Dropped, ...]
    flagged: tuple[Flagged, ...] = ()
    """What of `dropped` was left out for a secret or personal data, to be shown in review."""


class Overlay:
    """What is stored, and over it what the current batch has brought so far."""

    def __init__(self, below: Answers) -> None:
        self._below = below
        self._answers: defaultdict[str, list[Answered]] = defaultdict(list)
        self._exchanges: dict[str, Exchange] = {}

    def add(self, exchange: Exchange, answered: Answered | None) -> None:
        """Let later records of the batch find this exchange."""
        self._exchanges[exchange.id] = exchange
        if answered is not None:
            self._answers[answered.prefix].append(answered)

    def answers(self, prefix: str) -> tuple[Answered, ...]:
        stored = self._below.answers(prefix)
        ids = {one.exchange_id for one in stored}
        return (*stored, *(one for one in self._answers.get(prefix, ()) if one.exchange_id not in ids))

    def exchange(self, exchange_id: str) -> Exchange | None:
        return self._exchanges.get(exchange_id) or self._below.exchange(exchange_id)


def experience_of(
    records: Iterable[Exchange | Feedback],
    answers: Answers,
    *,
    heldout_share: float,
    policy: Policy = STRICT,
) -> Experience:
    """Return what `records` teach, in the order of the log; a turn finds answers of the same batch too.

    What `policy` does not allow is left out before anything is stored.
    """
    overlay = Overlay(answers)
    screen = Screen(policy)
    found: list[Lessons] = []
    flagged: dict[str, Flagged] = {}
    for record in records:
        if isinstance(record, Exchange):
            learned = lessons(record, overlay, heldout_share=heldout_share)
            overlay.add(record, learned.answered)
        else:
            learned = lessons_from_feedback(record, overlay, heldout_share=heldout_share)
        kept, leaks = screen.screened(learned.items, record.id)
        flagged.update((leak.item_id, leak) for leak in leaks)
        secrets = tuple(Dropped(reason="secret", exchange_id=leak.exchange_id) for leak in leaks)
        found.append(replace(learned, items=kept, dropped=(*learned.dropped, *secrets)))
    items: dict[str, Item] = {}
    for item in (item for one in found for item in one.items):
        if item.id not in items or item.weight > items[item.id].weight:
            items[item.id] = item
    answered = {one.answered.exchange_id: one.answered for one in found if one.answered is not None}
    return Experience(
        answered=tuple(answered.values()),
        items=tuple(items.values()),
        dropped=tuple(dropped for one in found for dropped in one.dropped),
        flagged=tuple(flagged.values()),
    )
