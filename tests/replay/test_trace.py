from __future__ import annotations

from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.replay.trace import Trace


def test_a_trace_counts_at_any_time_unless_it_says_when() -> None:
    assert Trace(hash="h").at_any_time
    assert not Trace(hash="h", since_s=1.0, until_s=2.0).at_any_time


def test_traces_are_kept_once_and_found_by_their_hash(store: ReplayStore) -> None:
    kept = (Trace(hash="a"), Trace(hash="a", since_s=1.0, until_s=2.0), Trace(hash="b"))
    assert not store.oblivion.has_traces()
    for _ in range(2):
        store.oblivion.forget_exchanges([], traces=kept)
    assert store.oblivion.has_traces()
    found = store.oblivion.traces(["a", "c"])
    assert set(found) == {"a"}
    assert set(found["a"]) == set(kept[:2])
