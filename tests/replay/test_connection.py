from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from subprocess import PIPE

import pytest

from laimark_sidecar.errors import StateError
from laimark_sidecar.replay.connection import connect, transaction


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_commit_is_on_the_disk_and_a_forgotten_prompt_is_overwritten(path: Path) -> None:
    with closing(connect(path)) as connection:
        names = ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        assert [pragma(connection, name) for name in names] == ["wal", 2, 1, 1]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_the_file_and_its_log_are_owner_only(path: Path) -> None:
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {"replay.db": 0o600, "replay.db-wal": 0o600, "replay.db-shm": 0o600}


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "home" / "deep" / "replay.db")):
        assert (tmp_path / "home" / "deep").is_dir()


def test_a_small_file_is_checked_when_it_is_opened(path: Path) -> None:
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE t (x INTEGER PRIMARY KEY, y TEXT)")
        connection.executemany("INSERT INTO t (y) VALUES (?)", [("text " * 20,)] * 500)
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xa5" * 8192
    path.write_bytes(content)
    with pytest.raises(StateError, match="damaged"):
        connect(path)


def fail_halfway(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        connection.execute("INSERT INTO t VALUES (1)")
        raise KeyError


def test_a_failed_transaction_leaves_nothing(path: Path) -> None:
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
        with pytest.raises(KeyError):
            fail_halfway(connection)
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
        assert not connection.in_transaction


def test_a_size_limit_is_a_full_disk(path: Path) -> None:
    with closing(connect(path, max_bytes=5 * 4096)) as connection:
        connection.execute("CREATE TABLE t (x BLOB)")
        with pytest.raises(sqlite3.OperationalError, match="full"), transaction(connection):
            connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
        assert not connection.in_transaction


OPENER = """
import sys
from pathlib import Path
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.replay.store import ReplayStore
for line in sys.stdin:
    try:
        ReplayStore.open(Path(line.strip()), clock=SystemClock()).close()
        print("opened", flush=True)
    except Exception as error:
        print(repr(error), flush=True)
"""


def test_many_processes_may_make_the_same_file_at_once(tmp_path: Path) -> None:
    """Forty files, three processes each: without trying again one of eight finds another in its way (measured)."""
    with ExitStack() as running:
        openers = [
            running.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", OPENER], stdin=PIPE, stdout=PIPE, text=True, bufsize=1
                )
            )
            for _ in range(3)
        ]
        for number in range(40):
            for opener in openers:
                assert opener.stdin is not None
                opener.stdin.write(f"{tmp_path / str(number)}.db\n")
            assert [opener.stdout.readline().strip() for opener in openers if opener.stdout] == ["opened"] * 3
