"""Each fault is made on purpose, by another connection, past the program's own guards."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.replay.examples import make_items

from laimark_sidecar.replay.store import ReplayStore


def sabotage(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


def test_a_sound_buffer_has_no_faults(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], make_items(*range(150)))
    store.oblivion.remove(item.id for item in list(store.items(limit=5)))
    assert store.check() == ()


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("DELETE FROM contents WHERE seq = 1", "1 items without content"),
        ("DELETE FROM items WHERE seq = 1", "16 near-duplicate bands of items that are gone"),
        ("UPDATE strata SET held = 7", "1 strata with a wrong count"),
        ("INSERT INTO tombstones VALUES ('item-000001', 0)", "1 forgotten items that are still held"),
        ("UPDATE items SET cycle = 'cycle-1' WHERE seq = 1", "1 items at the wrong stage"),
        ("UPDATE items SET stratum_id = 99 WHERE seq = 1", "row 1 of items has no strata"),
    ],
)
def test_a_fault_is_named(store: ReplayStore, path: Path, statement: str, fault: str) -> None:
    store.ingest("a", b"1", [], make_items(1, 2))
    sabotage(path, statement)
    assert fault in store.check()
