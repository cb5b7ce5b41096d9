from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable

import pytest
from tests.replay.examples import make_items

from laimark_sidecar.replay.drawing import draw
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.replay.surprise import ItemLoss


def trained(store: ReplayStore, items: Iterable[Item]) -> list[str]:
    batch = tuple(items)
    store.ingest("a", b"", [], batch)
    ids = [item.id for item in batch]
    store.mark_trained(ids, "cycle-1")
    return ids


def ids_of(store: ReplayStore, count: int, seed: int = 0, exclude: Iterable[str] = ()) -> list[str]:
    return [drawn.item.id for drawn in store.draw(count, rng=random.Random(seed), exclude=tuple(exclude))]


def test_an_empty_buffer_gives_nothing(store: ReplayStore) -> None:
    assert store.draw(8, rng=random.Random(0)) == ()


def test_only_what_a_cycle_has_used_is_replayed(store: ReplayStore) -> None:
    trained(store, make_items(1))
    store.ingest("a", b"", [], make_items(2))
    assert ids_of(store, 8) == ["item-000001"]


def test_held_out_and_worthless_items_are_never_drawn(store: ReplayStore) -> None:
    trained(store, (*make_items(1), *make_items(2, split="heldout"), *make_items(3, signal="praise")))
    assert ids_of(store, 8) == ["item-000001"]


def test_excluded_items_are_not_drawn(store: ReplayStore) -> None:
    trained(store, make_items(*range(5)))
    drawn = ids_of(store, 8, exclude=["item-000000", "item-000003", "unknown"])
    assert sorted(drawn) == ["item-000001", "item-000002", "item-000004"]


def test_equal_seeds_give_equal_draws(store: ReplayStore) -> None:
    trained(store, make_items(*range(60)))
    assert ids_of(store, 10, seed=1) == ids_of(store, 10, seed=1)
    assert ids_of(store, 10, seed=1) != ids_of(store, 10, seed=2)


def test_probabilities_of_the_whole_buffer_sum_to_one(store: ReplayStore) -> None:
    ids = trained(store, make_items(*range(20)))
    store.record_surprise(
        ItemLoss(id=one, loss=1.0 + number, loss_hint=1.0) for number, one in enumerate(ids)
    )
    drawn = store.draw(20, rng=random.Random(0))
    assert sum(one.probability for one in drawn) == pytest.approx(1.0)
    assert max(one.importance_weight for one in drawn) == 1.0
    assert min(drawn, key=lambda one: one.importance_weight).item.id == "item-000019"


def test_surprising_items_are_drawn_more_often(store: ReplayStore) -> None:
    ids = trained(store, make_items(*range(60)))
    losses = [
        ItemLoss(id=one, loss=9.0 if number < 30 else 1.0, loss_hint=1.0) for number, one in enumerate(ids)
    ]
    store.record_surprise(losses)
    drawn = [one for seed in range(20) for one in ids_of(store, 5, seed=seed)]
    assert sum(one < "item-000030" for one in drawn) > 80  # of 100; half would be 50


def test_of_three_times_as_many_those_stay_that_were_forgotten_most(store: ReplayStore) -> None:
    ids = trained(store, make_items(*range(9)))
    store.record_surprise(
        ItemLoss(id=one, loss=2.0, loss_hint=1.0, loss_accepted=0.5 if number in {2, 4, 6} else 2.0)
        for number, one in enumerate(ids)
    )
    assert sorted(ids_of(store, 3)) == ["item-000002", "item-000004", "item-000006"]


def test_drawing_reads_no_content_but_that_of_the_drawn(
    store: ReplayStore, connection: sqlite3.Connection
) -> None:
    statements: list[str] = []
    connection.execute(
        "INSERT INTO strata (source, split, signal, domain, month, worth) VALUES ('', 'train', '', '', '', 1)"
    )
    connection.set_trace_callback(statements.append)
    assert draw(connection, 8, rng=random.Random(0), exclude=()) == ()
    plan = connection.execute(f"EXPLAIN QUERY PLAN {statements[0]}").fetchall()
    assert [row[3] for row in plan] == ["SEARCH items USING COVERING INDEX items_draw (stage=?)"]
