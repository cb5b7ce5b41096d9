"""Move bytes between files in small pieces, hashing what is written: a model is never held in memory."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from laimark_converters.errors import ConversionError

_CHUNK_BYTES = 1 << 20


class HashedFile:
    """Counts and hashes what is written, so that the finished file need not be read again.

    Args:
        target: open for writing; stays the caller's to close.
    """

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, content: bytes) -> None:
        """Append `content`.

        Raises:
            OSError: the disk is full.
        """
        self._target.write(content)
        self._digest.update(content)
        self.size_bytes += len(content)

    def sha256(self) -> str:
        """Return the hex digest of everything written so far."""
        return self._digest.hexdigest()


def read_exactly(source: BinaryIO, size_bytes: int) -> bytes:
    """Return the next `size_bytes` of a file.

    Raises:
        ConversionError: it ends before; somebody truncates it.
    """
    content = source.read(size_bytes)
    if len(content) != size_bytes:
        raise ConversionError(f"{source.name} ended {size_bytes - len(content)} bytes early")
    return content


def copy_range(source: BinaryIO, offset: int, size_bytes: int, target: HashedFile) -> None:
    """Append a range of `source` to `target` as it is, a mebibyte at a time.

    Raises:
        ConversionError: the range reaches beyond the end.
        OSError: the disk is full.
    """
    source.seek(offset)
    for start in range(0, size_bytes, _CHUNK_BYTES):
        target.write(read_exactly(source, min(_CHUNK_BYTES, size_bytes - start)))


def sha256_file(*paths: Path) -> str:
    """Return the hex sha256 of the content of several files, one after the other.

    Raises:
        OSError: one cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as handle:
            while chunk := handle.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def stamp(path: Path) -> tuple[int, int, int]:
    """Return what changes when a file is replaced or written to: inode, size and time of the last change (ns).

    Raises:
        ConversionError: there is no such file, or it may not be looked at.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ConversionError(f"{path} cannot be read: {error.strerror}") from error
    return status.st_ino, status.st_size, status.st_mtime_ns
