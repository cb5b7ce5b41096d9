from __future__ import annotations

import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

import pytest

from laimark_sidecar.errors import LockedError, StateError
from laimark_sidecar.sources import foreign_database
from laimark_sidecar.sources.foreign_database import columns_of, reading, require, text


def made(path: Path, *statements: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    return connection


def test_one_state_is_seen_however_much_is_written_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    owner = made(path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (x)", "INSERT INTO t VALUES (1)")
    with reading(path, program="P") as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
        owner.execute("INSERT INTO t VALUES (2)")
        owner.commit()
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
    owner.close()


def test_what_was_read_while_the_owner_came_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    made(path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (x)").close()
    owners: list[sqlite3.Connection] = []

    def look() -> None:
        with reading(path, program="P") as connection:
            connection.execute("SELECT * FROM t").fetchall()
            owners.append(made(path, "INSERT INTO t VALUES (1)"))

    with pytest.raises(LockedError, match="P has just opened"):
        look()
    owners[0].close()


def test_what_was_read_while_the_owner_came_and_went_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    made(path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (x)").close()

    def look() -> None:
        with reading(path, program="P") as connection:
            connection.execute("SELECT * FROM t").fetchall()
            made(path, "INSERT INTO t VALUES (zeroblob(9000))").close()

    with pytest.raises(LockedError, match="P has just opened"):
        look()
    assert [one.name for one in tmp_path.iterdir()] == ["a.db"]


@pytest.mark.skipif(sys.platform == "win32", reason="there, a file that is read cannot be replaced")
@pytest.mark.parametrize("owner", ["replaced", "gone"])
def test_a_database_that_is_replaced_while_it_is_read_gives_one_state_or_none(
    tmp_path: Path, owner: str
) -> None:
    path, new = tmp_path / "a.db", tmp_path / "new.db"
    made(path, "CREATE TABLE t (x)", "INSERT INTO t VALUES (1)").close()
    made(new, "CREATE TABLE t (x)", "INSERT INTO t VALUES (2)").close()
    with reading(path, program="P") as connection:
        if owner == "replaced":
            new.replace(path)
        else:
            path.unlink()
        assert connection.execute("SELECT x FROM t").fetchall() == [(1,)]


def test_a_path_with_marks_of_an_address_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=rwc#b%41 ü.db"
    made(path, "CREATE TABLE t (x)").close()
    with reading(path, program="P") as connection:
        assert columns_of(connection, "t") == {"x"}
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_pages_that_are_damaged_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    made(path, "CREATE TABLE t (x)", "INSERT INTO t VALUES (zeroblob(9000))").close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with (
        pytest.raises(StateError, match="cannot be read as P's database"),
        reading(path, program="P") as connection,
    ):
        connection.execute("SELECT * FROM t").fetchall()


def test_what_is_missing_is_named_with_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    made(path, "CREATE TABLE t (x)").close()
    with reading(path, program="P") as connection:
        require(connection, path, program="P", tables={"t": ["x"]})
        with pytest.raises(StateError, match=r"table t lacks y \(found: columns x\)"):
            require(connection, path, program="P", tables={"t": ["x", "y"]})
        with pytest.raises(StateError, match=r"table u lacks z \(found: tables t\)"):
            require(connection, path, program="P", tables={"u": ["z"]})


def test_a_text_that_is_not_utf_8_is_read_with_marks() -> None:
    assert text(b"a\xffb") == "a\ufffdb"
    assert text(None) == ""
    assert text(3) == "3"


def left_behind(folder: Path) -> Path:
    """Return a copy of a database in WAL mode whose owner has it open: the log is beside it, the shared memory is not."""
    owner = made(folder / "owner.db", "PRAGMA journal_mode = WAL", "CREATE TABLE t (x)")
    owner.execute("INSERT INTO t VALUES (7)")
    owner.commit()
    (folder / "copy").mkdir()
    for mark in ("", "-wal"):
        shutil.copyfile(folder / f"owner.db{mark}", folder / "copy" / f"a.db{mark}")
    owner.close()
    return folder / "copy" / "a.db"


def test_a_log_without_shared_memory_is_read_and_nothing_is_left_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ours = left_behind(tmp_path), tmp_path / "ours"
    ours.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(ours))
    before = {one.name: one.read_bytes() for one in path.parent.iterdir()}
    with reading(path, program="P") as connection:
        assert connection.execute("SELECT x FROM t").fetchall() == [(7,)]
    assert {one.name: one.read_bytes() for one in path.parent.iterdir()} == before
    assert list(ours.iterdir()) == []


def test_one_that_is_too_large_to_be_copied_waits_for_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = left_behind(tmp_path)
    monkeypatch.setattr(foreign_database, "MAX_COPY_BYTES", 100)
    with pytest.raises(LockedError, match="too many to read a copy"), reading(path, program="P"):
        pass
    assert sorted(one.name for one in path.parent.iterdir()) == ["a.db", "a.db-wal"]
