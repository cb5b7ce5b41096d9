"""One SQLite connection, set up so that a commit is on the disk and a second process only has to wait."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from laimark_sidecar.files import FILE_MODE, make_dir
from laimark_sidecar.replay.failures import damaged

BUSY_TIMEOUT_S = 10.0
_AGAIN_S = 0.01
_CACHE_KIB = 64 * 1024  # taken as it is used: 4096 items are about 8 MiB, but what is known of the past grows
_LOG_BYTES = 16 << 20
_QUICK_CHECK_BYTES = 32 << 20  # about 0.2 s; a larger file is checked on demand


def connect(path: Path, *, max_bytes: int | None = None) -> sqlite3.Connection:
    """Open `path` (created owner-only if missing) in WAL mode with FULL synchronisation, in autocommit.

    Args:
        path: the database file.
        max_bytes: hard limit of the file's size; a write beyond it fails as on a full disk.

    Raises:
        StateError: a small file is not sound (`PRAGMA quick_check`).
        sqlite3.Error: anything else SQLite says; callers wrap this in `explained`.
    """
    make_dir(path.parent)
    with contextlib.suppress(FileExistsError):
        # Created by us, not by SQLite, so that it is owner-only from its first byte; -wal and -shm inherit the mode.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE))
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path, max_bytes)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, max_bytes: int | None) -> None:
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # a forgotten prompt is overwritten, not only unlinked
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
    if max_bytes is not None:
        page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {max_bytes // page_bytes}")
    if path.stat().st_size <= _QUICK_CHECK_BYTES:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise damaged(path, verdict)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL; where another process makes the same file, SQLite refuses at once, and it is tried again."""
    end_s = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end_s:
                raise
            time.sleep(_AGAIN_S)
        else:
            return


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the write lock; everything inside is durable when this returns, or never happened."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has already rolled back after SQLITE_FULL and a few others.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
