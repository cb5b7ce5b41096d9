from __future__ import annotations

from dataclasses import replace

from tests.replay.examples import make_answer

from laimark_sidecar.journal.exchange import Feedback
from laimark_sidecar.replay.store import ReplayStore

THUMB = Feedback(id="f1", time_s=10.0, source="open-webui", exchange_id="later", kind="edit", text="Bern")


def test_feedback_waits_with_all_that_it_says_until_it_is_settled(store: ReplayStore) -> None:
    store.ingest("log", b"1", [], [], early=[THUMB, THUMB])
    assert store.early_feedback(["later"]) == (THUMB,)
    assert store.early_feedback(["other"]) == ()
    store.ingest("log", b"2", [], [], settled=["f1"])
    assert store.early_feedback(["later"]) == ()


def test_what_is_forgotten_waits_no_longer_and_never_again(store: ReplayStore) -> None:
    store.ingest("log", b"1", [], [], early=[THUMB])
    store.oblivion.forget_exchanges(["later"])
    assert store.early_feedback(["later"]) == ()
    store.ingest("log", b"2", [], [], early=[THUMB])
    assert store.early_feedback(["later"]) == ()


def test_the_oldest_beyond_the_bound_go(store: ReplayStore) -> None:
    most = store.stats().capacity
    early = [replace(THUMB, id=f"f{number}", time_s=float(number)) for number in range(most + 2)]
    store.ingest("log", b"1", [], [], early=early)
    assert [one.time_s for one in store.early_feedback(["later"])] == [float(n) for n in range(2, most + 2)]


def test_answers_are_found_by_their_pair_and_time(store: ReplayStore) -> None:
    answers = [
        replace(make_answer(number, time_s=100.0 * number), pair="p", source="gateway") for number in range(4)
    ]
    store.ingest("log", b"1", answers, [])
    assert store.twins(["p", "q"], since_s=0.0, until_s=200.0) == tuple(answers[:3])
    assert store.twins(["q"], since_s=0.0, until_s=200.0) == ()
