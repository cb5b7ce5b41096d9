from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.replay.examples import HandClock, make_answer, make_item, make_items

from laimark_sidecar.replay.body import encode_body
from laimark_sidecar.replay.flagged import Flagged
from laimark_sidecar.replay.migrations import MIGRATIONS, migrate
from laimark_sidecar.replay.store import ReplayStore


def test_a_forgotten_exchange_takes_every_lesson_made_from_it(store: ReplayStore) -> None:
    items = [make_item(1, exchange_ids=("a", "b")), make_item(2, exchange_ids=("b", "c")), make_item(3)]
    store.ingest("log", b"1", [make_answer(7)], items)
    assert store.oblivion.forget_exchanges(["b", "exchange-000007"]) == 2
    assert [item.id for item in store.items()] == ["item-000003"]
    assert store.answers("prefix") == ()


def test_what_is_made_from_a_forgotten_exchange_does_not_come_in(store: ReplayStore) -> None:
    store.oblivion.forget_exchanges(["a", "exchange-000007"])
    counts = store.ingest("log", b"1", [make_answer(7)], [make_item(1, exchange_ids=("a", "b"))])
    assert counts.added == 0
    assert store.answers("prefix") == ()


def test_lessons_of_an_exchange_are_known_after_they_were_evicted(path: Path, clock: HandClock) -> None:
    with ReplayStore.open(path, clock=clock, capacity=2) as small:
        small.ingest("log", b"1", [], [make_item(number) for number in range(20)])
        assert small.oblivion.made_from(["exchange-000003", "exchange-000004"]) == {
            "item-000003",
            "item-000004",
        }


def test_origins_of_items_from_before_they_were_kept_are_filled_in(path: Path, clock: HandClock) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        migrate(old, path=path, now_s=1.0, migrations=MIGRATIONS[:2])
        item = make_item(1, exchange_ids=("a", "b"))
        old.execute(
            "INSERT INTO strata (stratum_id, split, signal, domain, month, worth) VALUES (1,'train','edit','','',1)"
        )
        old.execute(
            """INSERT INTO items (seq, id, stratum_id, split, signal, domain, month, source, weight, time_s, added_s,
            random_key) VALUES (1, ?, 1, 'train', 'edit', '', '', '', 1, 1, 1, 1)""",
            (item.id,),
        )
        old.execute("INSERT INTO contents VALUES (1, ?, x'', x'')", (encode_body(item),))
    with ReplayStore.open(path, clock=clock) as store:
        assert store.oblivion.made_from(["b"]) == {item.id}


def test_what_was_said_of_a_forgotten_exchange_is_forgotten(store: ReplayStore) -> None:
    flagged = Flagged(
        item_id="i",
        exchange_id="a",
        record_id="r",
        time_s=1.0,
        source="s",
        signal="edit",
        rules=("x",),
        places=(),
    )
    store.ingest("log", b"1", [], [], flagged=[flagged])
    store.oblivion.forget_exchanges(["r"])
    assert store.review.findings() == ()


def test_items_and_answers_are_found_by_what_they_hold(store: ReplayStore) -> None:
    store.ingest("log", b"1", [make_answer(7), make_answer(8)], make_items(1, 2))
    items, exchanges = store.oblivion.matching(
        lambda item: item.id.endswith("2"), lambda answer: answer.endswith("8")
    )
    assert items == {"item-000002"}
    assert exchanges == {"exchange-000008"}


def test_lessons_of_a_version_that_is_gone_are_new_again_unless_another_learned_them(
    store: ReplayStore,
) -> None:
    store.ingest("log", b"1", [], make_items(1, 2, 3, 4))
    store.mark_trained(["item-000001", "item-000002"], "gone")
    store.mark_trained(["item-000003"], "stays")
    assert store.oblivion.count_as_new(["gone"], known=["item-000002"]) == 1
    assert {item.id for item in store.new_items(10)} == {"item-000001", "item-000004"}


def test_a_log_that_is_read_again_is_told_that_a_forgotten_exchange_is_known(store: ReplayStore) -> None:
    store.oblivion.forget_exchanges(["a"])
    assert store.known_exchanges(["a", "b"]) == {"a"}
