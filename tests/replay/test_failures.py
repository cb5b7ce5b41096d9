"""Every failure here is one that SQLite really raised."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from laimark_sidecar.errors import LockedError, StateError
from laimark_sidecar.replay.failures import explained


def test_a_full_disk_names_the_file_and_what_to_do(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (x BLOB)")
        connection.execute("PRAGMA max_page_count = 3")
        with pytest.raises(StateError, match="no room") as caught, explained(path):
            connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    assert str(path) in str(caught.value)
    assert "free disk space" in caught.value.hint


def test_a_busy_file_is_locked_not_broken(path: Path) -> None:
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as holder,
        closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other,
    ):
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LockedError, match="another process"), explained(path):
            other.execute("BEGIN IMMEDIATE")


def test_garbage_is_damage(path: Path) -> None:
    path.write_bytes(b"this was never a database" * 100)
    with (
        closing(sqlite3.connect(path)) as connection,
        pytest.raises(StateError, match="damaged"),
        explained(path),
    ):
        connection.execute("SELECT * FROM sqlite_schema")


def test_a_folder_in_place_of_the_file_cannot_be_used(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StateError, match="cannot be used"), explained(path):
        sqlite3.connect(path)


def test_a_bug_in_a_query_stays_a_bug(path: Path) -> None:
    with (
        closing(sqlite3.connect(path)) as connection,
        pytest.raises(sqlite3.OperationalError, match="syntax error"),
        explained(path),
    ):
        connection.execute("SELEKT 1")
