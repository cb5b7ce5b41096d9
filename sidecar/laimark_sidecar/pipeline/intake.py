"""From the log of another program into the sidecar's own journal, from which everything is learned.

A batch is in the journal, durably, before the cursor moves: a crash between the two takes it in twice, which teaches
nothing twice, because an exchange is known by its content.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from laimark_sidecar.journal.exchange import Exchange, Feedback
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.recall import repeating
from laimark_sidecar.pipeline.workshop import ShouldStop, Workshop
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.sources.added import Added
from laimark_sidecar.sources.history_limit import MAX_BYTES, MAX_MESSAGES, too_long
from laimark_sidecar.sources.source import LogSource, SourceBatch

log = logging.getLogger(__name__)
BATCH_LINES = 500
_FAULTS_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was taken in."""

    records: int = 0
    faults: int = 0
    skipped: int = 0
    """Known already, forgotten, said before the log was added or while recording was off, somebody else's, or too long."""
    too_long: int = 0
    """Of these, how many follow a history that is longer than is kept."""

    def plus(self, other: Taken) -> Taken:
        """Return the sum."""
        return Taken(
            records=self.records + other.records,
            faults=self.faults + other.faults,
            skipped=self.skipped + other.skipped,
            too_long=self.too_long + other.too_long,
        )


def take_in(
    workshop: Workshop,
    store: ReplayStore,
    added: Added,
    source: LogSource,
    *,
    wanted: Callable[[Exchange | Feedback], bool],
    should_stop: ShouldStop,
    batch_lines: int = BATCH_LINES,
    told: Callable[[Taken], None] = lambda _: None,
) -> Taken:
    """Read a log to its present end; returns early, between batches, when asked to stop.

    Args:
        workshop: whose.
        store: holds the cursor.
        added: the log.
        source: reads it.
        wanted: whether the user wants this recorded.
        should_stop: asked between batches.
        batch_lines: read at once; a larger batch lists a folder of many files less often.
        told: is told the sum so far after each batch.

    Raises:
        LaimarkError: the log is locked, damaged or has another layout; the cursor is where it was.
        OSError: the log cannot be read or the journal not be written; likewise.
    """
    total, more = Taken(), True
    with JournalWriter(workshop.home.journal, clock=workshop.clock, fsync="never") as journal:
        while more and not should_stop():
            before = store.cursor(added.cursor)
            batch = source.read(before, max_lines=batch_lines)
            taken = _append(journal, store, batch, added, wanted, workshop.config.promotion.name)
            total = total.plus(taken)
            told(total)
            more = batch.more
            if batch.cursor != before and not store.advance_cursor(
                added.cursor, batch.cursor, expected=before
            ):
                more = (
                    True  # another reader was faster, or the log was removed: on from where the cursor is now
                )
    if total.records:
        log.info("%s: %d records taken in", added.name, total.records, extra=action("intake.done"))
    if total.too_long:
        log.warning(
            "%s: %d answers left out: more than %d messages or %d KiB came before each; what was said earlier in "
            "these chats is taken in",
            added.name,
            total.too_long,
            MAX_MESSAGES,
            MAX_BYTES >> 10,
            extra=action("intake.long"),
        )
    return total


def _append(
    journal: JournalWriter,
    store: ReplayStore,
    batch: SourceBatch,
    added: Added,
    wanted: Callable[[Exchange | Feedback], bool],
    own_name: str,
) -> Taken:
    for fault in batch.faults[:_FAULTS_TOLD]:
        where = f"{fault.segment}:{fault.offset}"
        log.warning("%s: %s: %s; left out", added.name, where, fault.reason, extra=action("intake.fault"))
    known = store.known_exchanges([one.id for one in batch.records])
    known |= repeating(store, batch.records)
    fresh = [one for one in batch.records if one.id not in known and one.time_s >= added.since_s]
    long = {one.id for one in fresh if isinstance(one, Exchange) and too_long(one.messages)}
    unwanted = long | {
        one.id for one in _exchanges(batch) if not (_is_the_user_s(one, added) and wanted(one))
    }
    told = {one.id for one in _exchanges(batch)}
    taken = [
        _attributed(replace(one, source=added.name), own_name)
        for one in fresh
        if one.id not in unwanted
        and (isinstance(one, Exchange) or (_is_about_the_user_s(one, unwanted, told, added) and wanted(one)))
    ]
    refused = sum(not _written(journal, record, added) for record in taken)
    if len(taken) > refused:
        journal.flush()
    return Taken(
        records=len(taken) - refused,
        faults=len(batch.faults) + refused,
        skipped=len(batch.records) - len(taken) + batch.too_long,
        too_long=len(long) + batch.too_long,
    )


def _exchanges(batch: SourceBatch) -> Iterator[Exchange]:
    return (one for one in batch.records if isinstance(one, Exchange))


def _is_the_user_s(exchange: Exchange, added: Added) -> bool:
    return not added.user or exchange.client == f"{added.kind}/{added.user}"


def _is_about_the_user_s(feedback: Feedback, unwanted: set[str], told: set[str], added: Added) -> bool:
    """Whether feedback goes with what is taken in: it holds the words of whoever edited an answer.

    A log of several people tells an exchange beside what was done with it, so there a stray one is nobody's.
    """
    return feedback.exchange_id not in unwanted and (not added.user or feedback.exchange_id in told)


def _attributed(record: Exchange | Feedback, own_name: str) -> Exchange | Feedback:
    """Let what this home's own models answered count as theirs: the name stands for the version, which nobody noted.

    An empty version would say that the base answered, whose answers may be learned for being kept.
    """
    if not isinstance(record, Exchange) or record.adapter_version:
        return record
    name = record.model.lower().rpartition("/")[2]  # programs put the runner's name before it
    return replace(record, adapter_version=name) if name.partition(":")[0] == own_name else record


def _written(journal: JournalWriter, record: Exchange | Feedback, added: Added) -> bool:
    """Append a record; one that no journal could ever hold is told and left out, or it would stand in the way for ever."""
    try:
        journal.append(record)
    except OSError as error:
        if error.errno not in (errno.EILSEQ, errno.EMSGSIZE):
            raise
        log.warning("%s: %s; left out", added.name, error.strerror, extra=action("intake.fault"))
        return False
    return True
