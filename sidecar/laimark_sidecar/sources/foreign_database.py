"""Opens another program's SQLite database to read it, without ever writing beside it or holding it up.

SQL of our own data lives in `replay/`; what is asked of a foreign database stands with the source that asks it.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from laimark_sidecar.errors import LockedError, StateError

BUSY_S = 5.0
"""How long a lock of the owner is waited for in one look; the next look comes later."""
MAX_COPY_BYTES = 1 << 30
ROWS_A_READ = 100
"""Rows of which records are made while a database is open: its owner may have to wait for that long to write."""
_WAL = 2
_HEADER_BYTES = 20


@contextlib.contextmanager
def reading(path: Path, *, program: str) -> Iterator[sqlite3.Connection]:
    """Lend a read-only connection that sees one state of the database; texts are bytes, because JSON is checked by us.

    A database in WAL mode that nobody has open is read as immutable: reading it otherwise would create `-wal` and `-shm`
    files, which the owner, perhaps another user, could not open again. If the owner comes while it is read, what was
    read is given up. One whose owner died, or which was copied, has a `-wal` and no `-shm`: a copy of it in a folder of
    ours is read, which is removed again.

    Args:
        path: the file; must be there.
        program: who owns it, for messages.

    Raises:
        LockedError: the owner holds or changes it; try again later.
        StateError: it is no database, or damaged.
        OSError: it cannot be read.
    """
    begun = _state(path)
    unattended = _in_wal_mode(path) and not _wal(path).exists()
    if _in_wal_mode(path) and not unattended and not _beside(path, "-shm").exists():
        with _copied(path, program) as copy, _opened(copy, path, "mode=ro", program) as connection:
            yield connection
        return
    with _opened(path, path, "immutable=1" if unattended else "mode=ro", program) as connection:
        yield connection
    if unattended and (_wal(path).exists() or _state(path) != begun):
        raise _just_opened(path, program)


@contextlib.contextmanager
def _opened(file: Path, path: Path, mode: str, program: str) -> Iterator[sqlite3.Connection]:
    with _explained(path, program):
        connection = sqlite3.connect(f"file:{quote(str(file))}?{mode}", uri=True, timeout=BUSY_S)
        with contextlib.closing(connection):
            connection.text_factory = bytes
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")  # one state, however many questions
            yield connection


@contextlib.contextmanager
def _copied(path: Path, program: str) -> Iterator[Path]:
    """Lend a copy of a database and of what its owner had not moved into it yet."""
    files = (path, _wal(path))
    size_bytes = sum(file.stat().st_size for file in files)
    if size_bytes > MAX_COPY_BYTES:
        raise LockedError(
            f"{program} left {path} unfinished, and its {size_bytes} bytes are too many to read a copy of it",
            hint=f"start {program} once and close it",
        )
    with tempfile.TemporaryDirectory(prefix="laimark-sidecar-", ignore_cleanup_errors=True) as folder:
        begun = [_state(file) for file in files]
        for file in files:
            shutil.copyfile(file, Path(folder, file.name))
        if [_state(file) for file in files] != begun or _beside(path, "-shm").exists():
            raise _just_opened(path, program)
        yield Path(folder, path.name)


def require(
    connection: sqlite3.Connection, path: Path, *, program: str, tables: Mapping[str, Iterable[str]]
) -> None:
    """Check that the tables and columns that are about to be read exist.

    Raises:
        StateError: one does not; names what was expected and what is there.
    """
    for table, columns in tables.items():
        held = columns_of(connection, table)
        missing = sorted(set(columns) - held)
        if missing:
            found = (
                f"columns {', '.join(sorted(held))}"
                if held
                else f"tables {', '.join(_tables(connection)) or 'none'}"
            )
            raise StateError(
                f"{path} has another layout than {program}'s that is known here: "
                f"table {table} lacks {', '.join(missing)} (found: {found[:300]})",
                hint=f"is this {program}'s database? If so, please report the version of {program}",
            )


def columns_of(connection: sqlite3.Connection, table: str) -> frozenset[str]:
    """Return the names of a table's columns; none where there is no such table."""
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return frozenset(bytes(row[0]).decode(errors="replace") for row in rows)


def row_key(connection: sqlite3.Connection, table: str, row: int, columns: Iterable[str]) -> str:
    """Return what a row is told by, however rows are numbered: empty where there is no such row.

    A database that was replaced, restored or packed numbers its rows anew. A cursor that keeps this beside the number
    of the last row that was read notices, and begins again; what was told before is told again, which is harmless.
    """
    found = connection.execute(
        f"SELECT {', '.join(columns)} FROM {table} WHERE rowid = ?",  # noqa: S608 - names of ours
        (row,),
    ).fetchone()
    return "" if found is None else "\n".join(text(one) for one in found)


def text(value: object) -> str:
    """Return a text of the database, which SQLite does not check, as a string; invalid bytes are replaced."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)


def _tables(connection: sqlite3.Connection) -> list[str]:
    return [text(row[0]) for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]


def _in_wal_mode(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    return len(header) == _HEADER_BYTES and header[18] == _WAL


def _state(path: Path) -> tuple[int, ...]:
    held = path.stat()
    return held.st_ino, held.st_size, held.st_mtime_ns


def _wal(path: Path) -> Path:
    return _beside(path, "-wal")


def _beside(path: Path, mark: str) -> Path:
    return path.with_name(f"{path.name}{mark}")


def _just_opened(path: Path, program: str) -> LockedError:
    return LockedError(f"{program} has just opened {path}", hint="it is read again in a moment")


@contextlib.contextmanager
def _explained(path: Path, program: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        code = (error.sqlite_errorcode or 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_SCHEMA):
            raise LockedError(
                f"{program} holds its database {path} ({error})", hint="it is read again in a moment"
            ) from error
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
            raise OSError(errno.EIO, f"cannot be read ({error})", str(path)) from error
        raise _damaged(path, program, error) from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, program, error) from error


def _damaged(path: Path, program: str, error: sqlite3.Error) -> StateError:
    return StateError(
        f"{path} cannot be read as {program}'s database: {error}",
        hint=f"start {program}, which mends or migrates it; it is read again then",
    )
