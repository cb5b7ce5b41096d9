"""A batch of log records becomes what the replay store takes in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from laimark_sidecar.experience.candidate import Dropped
from laimark_sidecar.experience.examples import Lessons, lessons, lessons_from_feedback
from laimark_sidecar.experience.screening import STRICT, Policy, Screen
from laimark_sidecar.experience.tree import Answers
from laimark_sidecar.experience.twins import TWIN_WITHIN_S, pair_of
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
    superseded: tuple[Answered, ...] = ()
    """Earlier accounts of exchanges of this batch: what reading them brought goes."""
    withdrawn: tuple[str, ...] = ()
    """Ids of lessons that the user has taken back."""


class Overlay:
    """What is stored, and over it what the current batch has brought so far."""

    def __init__(self, below: Answers) -> None:
        self._below = below
        self._answers: defaultdict[str, list[Answered]] = defaultdict(list)
        self._pairs: defaultdict[str, list[Answered]] = defaultdict(list)
        self._stored: dict[str, tuple[Answered, ...]] = {}
        self._exchanges: dict[str, Exchange] = {}
        self._asked: frozenset[str] = frozenset()
        self.items: dict[str, Item] = {}
        """What was found so far, each id once, with its strongest signal."""
        self.early: dict[str, Feedback] = {}
        self.settled: list[str] = []
        self.withdrawn: dict[str, None] = {}
        self.superseded: dict[str, Answered] = {}
        """By exchange: what it is now known to have been answered by."""

    def expect(self, exchanges: Sequence[Exchange], pairs: Mapping[str, str]) -> None:
        """Ask once for what is stored about all exchanges of the batch.

        Args:
            exchanges: of the batch.
            pairs: of each exchange's id, `twins.pair_of` it.
        """
        if not exchanges:
            return
        self._asked = frozenset(pairs.values())
        times = [one.time_s for one in exchanges]
        stored = self._below.twins(
            sorted(self._asked), since_s=min(times) - TWIN_WITHIN_S, until_s=max(times) + TWIN_WITHIN_S
        )
        for one in stored:
            self._pairs[one.pair].append(one)
        self.early.update(
            (one.id, one) for one in self._below.early_feedback([each.id for each in exchanges])
        )

    def add(self, exchange: Exchange, answered: Answered | None) -> None:
        """Let later records of the batch find this exchange."""
        self._exchanges[exchange.id] = exchange
        if answered is not None:
            self._answers[answered.prefix].append(answered)
            self._pairs[answered.pair].append(answered)

    def learn(
        self, items: Iterable[Item], superseded: Iterable[Answered], withdrawn: Iterable[str] = ()
    ) -> None:
        """Take items in after those that are void now."""
        for item_id in withdrawn:
            self.withdrawn[item_id] = None
            self.items.pop(item_id, None)
        for one in superseded:
            self.superseded[one.exchange_id] = one
            for item in self._made_here(one.exchange_id):
                del self.items[item.id]
        for item in items:
            self.withdrawn.pop(item.id, None)
            if item.id not in self.items or item.weight > self.items[item.id].weight:
                self.items[item.id] = item

    def answers(self, prefix: str) -> tuple[Answered, ...]:
        stored = self._stored.get(prefix)
        if stored is None:  # every later turn of a conversation asks again
            stored = self._stored[prefix] = self._below.answers(prefix)
        ids = {one.exchange_id for one in stored}
        here = (one for one in self._answers.get(prefix, ()) if one.exchange_id not in ids)
        return tuple(self.superseded.get(one.exchange_id, one) for one in (*stored, *here))

    def twins(self, pairs: Sequence[str], *, since_s: float, until_s: float) -> tuple[Answered, ...]:
        unknown = [pair for pair in pairs if pair not in self._asked]
        below = self._below.twins(unknown, since_s=since_s, until_s=until_s) if unknown else ()
        here = (
            one for pair in pairs for one in self._pairs.get(pair, ()) if since_s <= one.time_s <= until_s
        )
        return (*below, *here)

    def early_feedback(self, exchange_ids: Sequence[str]) -> tuple[Feedback, ...]:
        """Return what waits for any of these; of exchanges that were not expected, of this batch only."""
        return tuple(one for one in self.early.values() if one.exchange_id in exchange_ids)

    def made_by(self, exchange_id: str) -> tuple[Item, ...]:
        return (*self._below.made_by(exchange_id), *self._made_here(exchange_id))

    def _made_here(self, exchange_id: str) -> tuple[Item, ...]:
        return tuple(item for item in self.items.values() if item.exchange_ids[0] == exchange_id)

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
    records = tuple(records)
    exchanges = [record for record in records if isinstance(record, Exchange)]
    pairs = {one.id: pair_of(one) for one in exchanges}
    overlay = Overlay(answers)
    overlay.expect(exchanges, pairs)
    screen = Screen(policy)
    found: list[Lessons] = []
    flagged: dict[str, Flagged] = {}
    for record, learned in _learned(records, pairs, overlay, heldout_share, policy):
        kept, leaks = screen.screened(learned.items, record.id)
        flagged.update((leak.item_id, leak) for leak in leaks)
        secrets = tuple(Dropped(reason="secret", exchange_id=leak.exchange_id) for leak in leaks)
        found.append(replace(learned, items=kept, dropped=(*learned.dropped, *secrets)) if leaks else learned)
        overlay.learn(kept, learned.superseded, learned.withdrawn)
    answered = {one.answered.exchange_id: one.answered for one in found if one.answered is not None}
    answered |= {
        # Later turns look such an answer up in the journal: the buffer is no place for a secret.
        exchange_id: replace(one, withheld=True)
        for exchange_id, one in answered.items()
        if screen.finds(one.answer)
    }
    return Experience(
        answered=tuple(answered.values()),
        items=tuple(overlay.items.values()),
        dropped=tuple(dropped for one in found for dropped in one.dropped),
        flagged=tuple(flagged.values()),
        early=tuple(overlay.early.values()),
        settled=tuple(overlay.settled),
        superseded=tuple(overlay.superseded.values()),
        withdrawn=tuple(overlay.withdrawn),
    )


def _learned(
    records: Iterable[Exchange | Feedback],
    pairs: Mapping[str, str],
    overlay: Overlay,
    heldout_share: float,
    policy: Policy,
) -> Iterator[tuple[Exchange | Feedback, Lessons]]:
    for record in records:
        if isinstance(record, Feedback):
            learned = lessons_from_feedback(record, overlay, heldout_share=heldout_share)
            unknown = any(one.reason == "unknown exchange" for one in learned.dropped)
            if unknown and not policy.findings(record.text):
                overlay.early[record.id] = record  # its text will be stored, so what must not be is lost
            yield record, learned
            continue
        learned = lessons(record, overlay, heldout_share=heldout_share, pair=pairs[record.id])
        overlay.add(record, learned.answered)
        yield record, learned
        for early in overlay.early_feedback([record.id]):
            overlay.settle(early)
            yield early, lessons_from_feedback(early, overlay, heldout_share=heldout_share)
