"""The only place that renames, fsyncs and locks.

A file is written new beside its target, fsynced, renamed over it, and the folder is fsynced: after a crash
at any point the reader sees the old content or the new content, never a mixture. Everything is owner-only,
because prompts are private.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from laimark_sidecar.errors import DataError, LockedError

DIR_MODE = 0o700
FILE_MODE = 0o600
_CHUNK_BYTES = 1 << 20


def fsync_dir(folder: Path) -> None:
    """Make renames and unlinks inside `folder` durable. Windows has no such call and needs none."""
    if os.name == "nt":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def fsync_file(fd: int) -> None:
    """Make what was written to the open file `fd` durable."""
    os.fsync(fd)


def make_dir(folder: Path) -> Path:
    """Create `folder` and its parents with owner-only permissions; an existing one is left as it is."""
    if not folder.is_dir():
        make_dir(folder.parent)
        folder.mkdir(mode=DIR_MODE, exist_ok=True)
    return folder


@contextlib.contextmanager
def _replacing(path: Path, mode: int) -> Iterator[BinaryIO]:
    """Yield a new file that becomes `path`, durably, where the block succeeds; else nothing is left of it.

    Raises:
        OSError: it names `path`, also where the system does not: a full disk says only that it is full.
    """
    make_dir(path.parent)
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(fd, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise
    fsync_dir(path.parent)


def write_atomic(path: Path, content: bytes, *, mode: int = FILE_MODE) -> None:
    """Replace `path` by `content`; durable when it returns, the old file untouched on any failure.

    Raises:
        OSError: the disk is full or the folder is not writable; no temporary file is left behind.
    """
    with _replacing(path, mode) as out:
        out.write(content)


def copy_atomic(source: Path, path: Path, *, sha256: str, mode: int = FILE_MODE) -> None:
    """Replace `path` by a copy of `source` if the bytes copied have this sha256; durable when it returns.

    Raises:
        DataError: the bytes read are not what `sha256` promises; `path` is what it was.
        OSError: the disk is full or a file is not accessible; no temporary file is left behind.
    """
    digest = hashlib.sha256()
    with _replacing(path, mode) as out, source.open("rb") as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            digest.update(chunk)
            out.write(chunk)
        if digest.hexdigest() != sha256:
            raise DataError(f"{source} has sha256 {digest.hexdigest()}, expected {sha256}")


def publish_dir(temporary: Path, target: Path) -> None:
    """Rename a finished folder into place after fsyncing all it holds; an existing target is replaced.

    Raises:
        OSError: nothing was moved; the target, if there was one, is what it was or can be redone.
    """
    for file in temporary.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        else:
            fsync_dir(file)
    fsync_dir(temporary)
    if target.exists():
        shutil.rmtree(target)
    temporary.replace(target)
    fsync_dir(target.parent)


def set_aside(path: Path, mark: str) -> Path:
    """Rename `path` to `<name>.<mark>`, or `<name>.<mark>-2` and so on, and return that; durable, overwrites nothing.

    The caller keeps others out meanwhile.
    """
    taken = itertools.count(2)
    target = path.with_name(f"{path.name}.{mark}")
    while target.exists():
        target = path.with_name(f"{path.name}.{mark}-{next(taken)}")
    path.rename(target)
    fsync_dir(path.parent)
    return target


def append_durable(path: Path, line: bytes) -> None:
    """Append one line (with its newline) in a single write and fsync it; creates the file owner-only."""
    make_dir(path.parent)
    created = not path.exists()
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, FILE_MODE)
    try:
        written = os.write(fd, line)
        os.fsync(fd)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        os.close(fd)
    if created:
        fsync_dir(path.parent)
    if written != len(line):  # a full disk takes what fits and reports no error
        raise OSError(errno.ENOSPC, f"only {written} of {len(line)} bytes were written", str(path))


def sha256_file(path: Path) -> str:
    """Return the hex sha256 of a file's content, read in chunks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _read_note(note: Path) -> str:
    try:
        return note.read_text(encoding="utf-8", errors="replace") or "another process"
    except OSError:  # the holder has just let go: its note is already gone
        return "another process"


def is_held(path: Path) -> bool:
    """Whether some process holds the lock file `path` now. Creates nothing."""
    if not path.exists():
        return False
    lock = FileLock(path, mode=FILE_MODE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


@contextlib.contextmanager
def exclusive(path: Path, holder: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path`, with `holder` (who, pid) readable beside it for whoever is refused.

    The operating system drops the lock when the process dies, however it dies.

    Raises:
        LockedError: another process held it for all of `wait_s` seconds; the message says which.
    """
    make_dir(path.parent)
    note = path.with_suffix(".holder")
    lock = FileLock(path, mode=FILE_MODE)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout:
        who = _read_note(note)
        raise LockedError(
            f"{path.parent} is in use by {who}",
            hint="stop that process first, or choose another home with LAIMARK_HOME",
        ) from None
    try:
        write_atomic(note, holder.encode())
        yield
    finally:
        with contextlib.suppress(OSError):
            note.unlink()
        lock.release()
