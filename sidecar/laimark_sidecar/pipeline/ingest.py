"""From a log source into the replay buffer: items, answers and cursor in one transaction, so exactly once."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from laimark_sidecar.experience.batch import experience_of
from laimark_sidecar.experience.thinking import strip_thinking
from laimark_sidecar.journal.exchange import Exchange, Feedback
from laimark_sidecar.journal.find import find_exchange
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.forget import begin_repeated
from laimark_sidecar.pipeline.recall import repeating
from laimark_sidecar.pipeline.screening import policy_of
from laimark_sidecar.pipeline.workshop import ShouldStop, Workshop
from laimark_sidecar.replay.answered import Answered
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.sources.source import LogSource

log = logging.getLogger(__name__)
BATCH_LINES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """What one reading brought."""

    records: int = 0
    faults: int = 0
    added: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What experience asks about earlier exchanges: answers from the store, whole exchanges from the journal."""

    workshop: Workshop
    store: ReplayStore

    def answers(self, prefix: str) -> tuple[Answered, ...]:
        return self._whole(self.store.answers(prefix))

    def twins(self, pairs: Sequence[str], *, since_s: float, until_s: float) -> tuple[Answered, ...]:
        return self._whole(self.store.twins(pairs, since_s=since_s, until_s=until_s))

    def made_by(self, exchange_id: str) -> tuple[Item, ...]:
        return self.store.made_by(exchange_id)

    def early_feedback(self, exchange_ids: Sequence[str]) -> tuple[Feedback, ...]:
        return self.store.early_feedback(exchange_ids)

    def exchange(self, exchange_id: str) -> Exchange | None:
        return find_exchange(self.workshop.home.journal, exchange_id)

    def _whole(self, answered: Sequence[Answered]) -> tuple[Answered, ...]:
        """Put back, from the journal, the answers that the buffer does not keep; one that is gone stays empty."""
        return tuple(
            replace(one, answer=strip_thinking(exchange.answer))
            if one.withheld and (exchange := self.exchange(one.exchange_id))
            else one
            for one in answered
        )


def ingest(workshop: Workshop, store: ReplayStore, source: LogSource, *, should_stop: ShouldStop) -> Ingested:
    """Read the source to its present end; returns early, between batches, when asked to stop.

    Raises:
        StateError: the disk is full or the buffer damaged; the cursor has not moved.
        OSError: the log cannot be read.
    """
    records = faults = added = 0
    known = Known(workshop=workshop, store=store)
    policy = policy_of(workshop, store)
    store.withhold_answers(lambda text: bool(policy.findings(text)))
    more = True
    while more and not should_stop():
        before = store.cursor(source.name)
        batch = source.read(before, max_lines=BATCH_LINES)
        for fault in batch.faults:
            log.warning(
                "%s:%d: %s; left out", fault.segment, fault.offset, fault.reason, extra=action("ingest.fault")
            )
        repeated = repeating(store, batch.records)
        if repeated:
            # Written down before the cursor moves: after a crash they are read, and known, once more.
            begin_repeated(workshop, repeated)
            log.info("%d records repeat what was forgotten", len(repeated), extra=action("ingest.forgotten"))
        fresh = [record for record in batch.records if record.id not in repeated]
        learned = experience_of(
            fresh, known, heldout_share=workshop.config.replay.heldout_share, policy=policy
        )
        if batch.cursor != before:
            counts = store.ingest(
                source.name,
                batch.cursor,
                learned.answered,
                learned.items,
                flagged=learned.flagged,
                early=learned.early,
                settled=learned.settled,
                superseded=learned.superseded,
                withdrawn=learned.withdrawn,
            )
            added += counts.added
            if counts.capped:
                log.warning(
                    "%d items left out: their source has brought enough today (replay.per_source_day)",
                    counts.capped,
                    extra=action("ingest.capped"),
                )
        if learned.dropped:
            reasons = Counter(dropped.reason for dropped in learned.dropped)
            log.info("left out: %s", dict(reasons), extra=action("ingest.dropped"))
        records += len(batch.records)
        faults += len(batch.faults)
        more = batch.more
    if added:
        log.info("%d records read, %d items new", records, added, extra=action("ingest.done"))
    return Ingested(records=records, faults=faults, added=added)
