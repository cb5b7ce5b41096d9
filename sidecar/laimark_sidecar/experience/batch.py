"""A batch of log records becomes what the replay store takes in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
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
    early: tuple[Feedback, ...] = ()
    """Its exchange is not known yet: it may stand in another log, and waits."""
    settled: tuple[str, ...] = ()
    """Ids of feedback that waited for an exchange of this batch."""


class Overlay:
    """What is stored, and over it what the current batch has brought so far."""

    def __init__(self, below: Answers) -> None:
        self._below = below
        self._answers: defaultdict[str, list[Answered]] = defaultdict(list)
        self._pairs: defaultdict[str, list[Answered]] = defaultdict(list)
        self._exchanges: dict[str, Exchange] = {}
        self.early: dict[str, Feedback] = {}
        self.settled: list[str] = []

    def add(self, exchange: Exchange, answered: Answered | None) -> None:
        """Let later records of the batch find this exchange."""
        self._exchanges[exchange.id] = exchange
        if answered is not None:
            self._answers[answered.prefix].append(answered)
            self._pairs[answered.pair].append(answered)

    def answers(self, prefix: str) -> tuple[Answered, ...]:
        stored = self._below.answers(prefix)
        ids = {one.exchange_id for one in stored}
        return (*stored, *(one for one in self._answers.get(prefix, ()) if one.exchange_id not in ids))

    def twins(self, pair: str, *, around_s: float, within_s: float) -> tuple[Answered, ...]:
        here = (one for one in self._pairs.get(pair, ()) if abs(one.time_s - around_s) <= within_s)
        return (*self._below.twins(pair, around_s=around_s, within_s=within_s), *here)

    def early_feedback(self, exchange_id: str) -> tuple[Feedback, ...]:
        here = (one for one in self.early.values() if one.exchange_id == exchange_id)
        return (*self._below.early_feedback(exchange_id), *here)

    def settle(self, feedback: Feedback) -> None:
        """Let what waited for an exchange wait no longer."""
        self.early.pop(feedback.id, None)
        self.settled.append(feedback.id)

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
    for record, learned in _learned(records, overlay, heldout_share, policy):
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
        early=tuple(overlay.early.values()),
        settled=tuple(overlay.settled),
    )


def _learned(
    records: Iterable[Exchange | Feedback], overlay: Overlay, heldout_share: float, policy: Policy
) -> Iterator[tuple[Exchange | Feedback, Lessons]]:
    for record in records:
        if isinstance(record, Feedback):
            learned = lessons_from_feedback(record, overlay, heldout_share=heldout_share)
            unknown = any(one.reason == "unknown exchange" for one in learned.dropped)
            if unknown and not policy.findings(record.text):
                overlay.early[record.id] = record  # its text will be stored, so what must not be is lost
            yield record, learned
            continue
        learned = lessons(record, overlay, heldout_share=heldout_share)
        overlay.add(record, learned.answered)
        yield record, learned
        for early in overlay.early_feedback(record.id):
            overlay.settle(early)
            yield early, lessons_from_feedback(early, overlay, heldout_share=heldout_share)
