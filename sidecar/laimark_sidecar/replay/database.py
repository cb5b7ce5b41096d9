"""The buffer's one connection, behind a lock: reading as of one moment, writing all or nothing."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from laimark_sidecar.replay.connection import connect, transaction
from laimark_sidecar.replay.failures import explained
from laimark_sidecar.replay.migrations import migrate


class Database:
    """An open `replay.db`; threads may share it, and other processes may have their own on the same file."""

    def __init__(self, path: Path, *, now_s: float, max_bytes: int | None = None) -> None:
        """Open the file, creating it (owner-only) or upgrading its schema as needed.

        Args:
            path: the database file.
            now_s: noted where the schema is upgraded.
            max_bytes: limit of the file's size; beyond it a write fails as on a full disk.

        Raises:
            StateError: the file is damaged, not a replay buffer, not accessible, or of a newer version.
            LockedError: another process is upgrading it.
        """
        self._path = path
        self._lock = threading.RLock()
        with explained(path):
            self._connection = connect(path, max_bytes=max_bytes)
            try:
                migrate(self._connection, path=path, now_s=now_s)
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Close the connection; what was committed is safe whether or not this is called."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def reading(self, *, snapshot: bool = True) -> Iterator[sqlite3.Connection]:
        """Lend the connection to read; with `snapshot`, all of it as of one moment."""
        with self._lock, explained(self._path):
            if not snapshot or self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection to write: one transaction, on the disk when this returns."""
        with self._lock, explained(self._path), transaction(self._connection):
            yield self._connection

    def scrub(self) -> bool:
        """Empty the write-ahead log, where overwritten text may stand; says whether other readers allowed it."""
        with self.reading(snapshot=False) as connection:
            return not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
