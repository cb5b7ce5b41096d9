from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from laimark_sidecar.errors import StateError
from laimark_sidecar.replay.database import Database

COUNT = "SELECT count(*) FROM cursors"
ADD = "INSERT INTO cursors VALUES ('log', x'31')"


def _write_and_fail(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(ADD)
        raise ZeroDivisionError


def test_reading_is_as_of_one_moment_while_another_process_writes(path: Path) -> None:
    database = Database(path, now_s=0.0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other, database.reading() as connection:
        assert connection.execute(COUNT).fetchone() == (0,)
        other.execute(ADD)
        assert connection.execute(COUNT).fetchone() == (0,)
    with database.reading() as connection:
        assert connection.execute(COUNT).fetchone() == (1,)
    database.close()


def test_writing_that_fails_leaves_nothing(path: Path) -> None:
    database = Database(path, now_s=0.0)
    with pytest.raises(ZeroDivisionError):
        _write_and_fail(database)
    with database.reading() as connection:
        assert connection.execute(COUNT).fetchone() == (0,)
    database.close()


def test_scrub_empties_the_log_unless_a_reader_needs_it(path: Path) -> None:
    database, other = Database(path, now_s=0.0), Database(path, now_s=0.0)
    with other.reading() as connection:
        connection.execute(COUNT).fetchone()
        with database.writing() as writer:
            writer.execute(ADD)
            writer.execute("PRAGMA busy_timeout = 10")
        assert not database.scrub()
    assert database.scrub()
    assert path.with_name(f"{path.name}-wal").stat().st_size == 0
    other.close()
    database.close()


def test_a_file_that_cannot_be_used_is_closed_again(path: Path) -> None:
    with closing(sqlite3.connect(path)) as foreign:
        foreign.execute("CREATE TABLE notes (text)")
    with pytest.raises(StateError, match="another program's database"):
        Database(path, now_s=0.0)
    path.rename(path.with_suffix(".moved"))
