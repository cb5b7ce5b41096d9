"""Turns SQLite's failures into ours: a full disk, a busy or a damaged buffer are expected, the rest are bugs."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from laimark_sidecar.errors import LaimarkError, LockedError, StateError

_PRIMARY_CODE = 0xFF  # SQLite's extended codes keep the primary code in the low byte


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Re-raise a `sqlite3.Error` of the machine's making as a `LaimarkError` that names `path` and the way out.

    Raises:
        StateError: the disk is full, the file is damaged, foreign or not accessible.
        LockedError: another process kept the write lock for longer than the busy timeout.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        expected = None if code is None else _expected(code & _PRIMARY_CODE, path, error)
        if expected is None:
            raise
        raise expected from error


def damaged(path: Path, detail: str) -> StateError:
    """Return the error for a replay buffer that cannot be trusted."""
    return StateError(
        f"the replay buffer {path} is damaged: {detail}",
        hint="restore it from a backup, or move it away: it is filled again from the journal",
    )


def _expected(code: int, path: Path, error: sqlite3.Error) -> LaimarkError | None:
    if code == sqlite3.SQLITE_FULL:
        return StateError(
            f"no room to write the replay buffer {path}: {error}; nothing of this step was stored",
            hint="free disk space (or raise the size limit), then run the same command again",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LockedError(f"the replay buffer {path} is being written by another process", hint="try again")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(path, str(error))
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return StateError(
            f"the replay buffer {path} cannot be used: {error}", hint="check the folder's permissions"
        )
    return None
