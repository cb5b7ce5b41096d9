from __future__ import annotations

import sqlite3

import pytest
from tests.replay.examples import make_item

from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.opening import open_sets, opened_after
from laimark_sidecar.replay.store import ReplayStore


def held(first: int, count: int) -> list[Item]:
    return [make_item(number, split="heldout") for number in range(first, first + count)]


def after_opening(store: ReplayStore) -> list[str]:
    return [item.id for item in store.judges(99, keep=lambda _, opened: opened)]


def test_they_stay_closed_until_enough_are_held_out(store: ReplayStore) -> None:
    assert not store.open_sets(at_least=4)
    store.ingest("a", b"1", [], [*held(0, 3), make_item(50)])
    assert not store.open_sets(at_least=4)
    assert after_opening(store) == []


def test_only_what_arrives_after_the_opening_is_told_so(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], held(0, 4))
    assert store.open_sets(at_least=4)
    assert after_opening(store) == []
    store.ingest("a", b"2", [], held(4, 3))
    assert store.open_sets(at_least=4)  # again changes nothing
    assert after_opening(store) == [item.id for item in held(4, 3)]
    assert [item.id for item in store.judges(2, keep=lambda _, opened: not opened)] == [
        item.id for item in held(2, 2)
    ]


def test_once_open_they_stay_so_whatever_is_forgotten(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], held(0, 4))
    store.open_sets(at_least=4)
    store.oblivion.remove([item.id for item in held(0, 4)])
    assert store.open_sets(at_least=4)
    store.ingest("a", b"2", [], held(10, 1))
    assert after_opening(store) == ["item-000010"]


def test_there_is_one_opening_at_most(connection: sqlite3.Connection) -> None:
    assert opened_after(connection) is None
    assert not open_sets(connection, at_least=1, now_s=0.0)
    connection.execute("INSERT INTO opening VALUES (1, 7, 0.0)")
    assert opened_after(connection) == 7
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO opening VALUES (2, 9, 0.0)")
