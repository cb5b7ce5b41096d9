"""Does what was just read repeat something forgotten? Then it teaches nothing, and goes too."""

from __future__ import annotations

from collections.abc import Iterable

from laimark_sidecar.experience.traces import is_known, shown
from laimark_sidecar.journal.exchange import Exchange, Feedback
from laimark_sidecar.replay.store import ReplayStore


def repeating(store: ReplayStore, records: Iterable[Exchange | Feedback]) -> frozenset[str]:
    """Return the ids of the records that are, go on from, or speak of an exchange that was forgotten.

    Costs nothing where nothing was ever forgotten, else one question for all.
    """
    if not store.oblivion.has_traces():
        return frozenset()
    records = tuple(records)
    exchanges = [one for one in records if isinstance(one, Exchange)]
    known = store.oblivion.traces({hash_ for one in exchanges for hash_ in shown(one)})
    repeated = {one.id for one in exchanges if known and is_known(one, known)}
    spoken_of = {one.exchange_id for one in records if isinstance(one, Feedback)}
    gone = repeated | store.oblivion.forgotten(spoken_of)
    return frozenset(
        repeated | {one.id for one in records if isinstance(one, Feedback) and one.exchange_id in gone}
    )
