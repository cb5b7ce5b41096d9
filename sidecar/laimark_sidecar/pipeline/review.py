"""The review queue: what waits, what was left out for a finding, and what a person decides about it.

A finding is shown by reading the log again: the buffer keeps neither the secret nor the example that holds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.clock import iso
from laimark_sidecar.errors import DataError
from laimark_sidecar.experience.batch import experience_of
from laimark_sidecar.experience.redaction import hidden, redacted
from laimark_sidecar.experience.screening import Policy, Screen
from laimark_sidecar.journal.find import find_exchange, find_record
from laimark_sidecar.pipeline.buffer import SHORTEST_PREFIX, find
from laimark_sidecar.pipeline.ingest import Known
from laimark_sidecar.pipeline.readiness import HOUR_S
from laimark_sidecar.pipeline.screening import policy_of
from laimark_sidecar.pipeline.source_list import trusted
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.replay.flagged import Flagged, Place
from laimark_sidecar.replay.item import Item, Signal
from laimark_sidecar.replay.store import ReplayStore

Kind = Literal["quarantine", "unreviewed", "finding", "held"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One example that somebody may decide on."""

    id: str
    kind: Kind
    why: str
    """Why it is not learned now, in words."""
    time_s: float
    signal: Signal
    source: str
    exchange_id: str
    rules: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    item: Item | None = None
    """None where the log no longer holds what taught it: then it can only be rejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What a person needs to see to decide; what was found is hidden behind the name of its rule."""

    client: str
    prompt: str
    """The last message of the prompt."""
    target: str
    """Each span behind who wrote it: `[typed] `."""
    hint: str


def queue(workshop: Workshop, store: ReplayStore, *, limit: int) -> tuple[Case, ...]:
    """Return what waits for a decision or for its time, the newest of the conversations first."""
    cases = [*_waiting(workshop, store, limit=limit)]
    cases += [_finding(workshop, store, flagged) for flagged in store.review.findings(limit=limit)]
    return tuple(sorted(cases, key=lambda case: (-case.time_s, case.id))[:limit])


def case_named(workshop: Workshop, store: ReplayStore, item_id: str) -> Case:
    """Return the case with this id, or with the only id that begins so; any item that is held is one.

    Raises:
        DataError: none or several; says how many.
    """
    flagged = [
        one
        for one in store.review.findings(limit=workshop.config.replay.capacity)
        if one.item_id.startswith(item_id)
    ]
    if len(flagged) == 1 and len(item_id) >= SHORTEST_PREFIX:
        return _finding(workshop, store, flagged[0])
    item = find(store, item_id)
    waiting = _waiting(workshop, store, limit=workshop.config.replay.capacity)
    held = _case(item, kind="held", why="it is held and may be learned")
    return next((case for case in waiting if case.id == item.id), held)


def excerpt(workshop: Workshop, store: ReplayStore, case: Case) -> Excerpt:
    """Return what to show of a case; empty texts where the log no longer holds it."""
    policy = policy_of(workshop, store)
    exchange = find_exchange(workshop.home.journal, case.exchange_id)
    item = case.item
    return Excerpt(
        client=exchange.client if exchange else "",
        prompt=hidden(item.messages[-1].content, policy) if item and item.messages else "",
        target=_marked(item, policy) if item else "",
        hint=hidden(item.hint, policy) if item else "",
    )


def accept(store: ReplayStore, case: Case, *, false_alarm: bool = False) -> None:
    """Let an example be learned at once, for good: it is known by its content.

    Raises:
        DataError: something was found in it, and nobody has said that it is nothing; or it is gone.
    """
    item = _present(case)
    if case.kind != "finding":
        store.review.accept(case.id)
        return
    if not false_alarm:
        raise DataError(
            f"{case.id[:12]} holds: {', '.join(case.rules)}",
            hint="take it out with `buffer review redact`, or say that it is nothing with --false-alarm",
        )
    store.review.accept(case.id, item=item)


def reject(store: ReplayStore, case: Case) -> None:
    """Forget an example for good: reading the log again does not bring it back."""
    store.oblivion.remove([case.id])


def redact(workshop: Workshop, store: ReplayStore, case: Case, *, target: str | None = None) -> Item:
    """Put an example without its findings, or with another target, in the place of this one; it is accepted.

    Args:
        workshop: whose.
        store: its buffer.
        case: what is replaced, and forgotten.
        target: the text to learn instead; without it the findings are cut out of the old one.

    Raises:
        DataError: nothing changes, nothing is left, or something is found in what is left.
    """
    item, policy = _present(case), policy_of(workshop, store)
    new = redacted(item, policy, target=target)
    kept, flagged = Screen(policy).screened([new], "")
    if flagged:
        raise DataError(
            f"what is left of {case.id[:12]} still holds: {', '.join(flagged[0].rules)}",
            hint="give another target with --target, or reject it",
        )
    if new.id == item.id:
        raise DataError(
            f"nothing is found in {case.id[:12]}", hint="accept it, or give another target with --target"
        )
    if not new.target.strip() or not any(message.content for message in new.messages):
        raise DataError(f"nothing is left of {case.id[:12]} without what was found", hint="reject it")
    store.review.accept(new.id, item=kept[0], replaces=case.id)
    return kept[0]


def _present(case: Case) -> Item:
    if case.item is None:
        raise DataError(
            f"the log no longer holds what taught {case.id[:12]}",
            hint=f"laimark-sidecar buffer review reject {case.id[:12]}",
        )
    return case.item


def _waiting(workshop: Workshop, store: ReplayStore, *, limit: int) -> Iterator[Case]:
    replay, now_s = workshop.config.replay, workshop.clock.now_s()
    quarantine_s = replay.quarantine_hours * HOUR_S
    waiting = store.review.waiting(
        quarantine_s=quarantine_s, review=replay.review, trusted=trusted(workshop.home), limit=limit
    )
    for item, added_s in waiting:
        until_s = added_s + quarantine_s
        if until_s > now_s:
            yield _case(item, kind="quarantine", why=f"in quarantine until {iso(until_s)}")
        else:
            yield _case(item, kind="unreviewed", why="nobody has accepted it (replay.review)")


def _case(item: Item, *, kind: Kind, why: str) -> Case:
    return Case(
        id=item.id,
        kind=kind,
        why=why,
        time_s=item.time_s,
        signal=item.signal,
        source=item.source,
        exchange_id=item.exchange_ids[0] if item.exchange_ids else "",
        item=item,
    )


def _finding(workshop: Workshop, store: ReplayStore, flagged: Flagged) -> Case:
    item = _taught_again(workshop, store, flagged)
    where = " and ".join(flagged.places)
    gone = "" if item else "; the log no longer holds it"
    return Case(
        id=flagged.item_id,
        kind="finding",
        why=f"left out: {', '.join(flagged.rules)} in the {where}{gone}",
        time_s=flagged.time_s,
        signal=flagged.signal,
        source=flagged.source,
        exchange_id=flagged.exchange_id,
        rules=flagged.rules,
        places=flagged.places,
        item=item,
    )


def _taught_again(workshop: Workshop, store: ReplayStore, flagged: Flagged) -> Item | None:
    record = find_record(workshop.home.journal, flagged.record_id)
    if record is None:
        return None
    everything = Policy(is_false_alarm=lambda item_id: item_id == flagged.item_id)
    found = experience_of(
        [record],
        Known(workshop=workshop, store=store),
        heldout_share=workshop.config.replay.heldout_share,
        policy=everything,
    )
    return next((item for item in found.items if item.id == flagged.item_id), None)


def _marked(item: Item, policy: Policy) -> str:
    if policy.findings(item.target):  # where a finding begins and ends is no span's border
        return hidden(item.target, policy)
    return "".join(f"[{span.provenance}] {item.target[span.start : span.end]}" for span in item.spans)
