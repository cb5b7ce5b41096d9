"""How far a reader of the log has come: a position in every live segment. Opaque bytes to everyone else."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import msgspec

from laimark_sidecar.decoding import decode_versioned
from laimark_sidecar.journal.erasing import ERASED

FORMAT_VERSION = 1
_HEAD_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where reading goes on in one segment."""

    inode: int
    offset: int = 0
    """Everything before this byte has been read."""
    head_bytes: int = 0
    """How many of the first bytes `head` covers: never more than were read, so that it cannot change by growing."""
    head: str = ""
    skipping: bool = False
    """`offset` is inside a line that is too long and was reported already."""
    torn_bytes: int = 0
    """Length of an incomplete last line that was reported already; should it grow after all, it is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Positions by segment name; segments that are gone are not in it."""

    positions: dict[str, Position] = field(default_factory=dict)
    version: int = FORMAT_VERSION

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, content: bytes) -> Cursor:
        """Parse what `encode` made.

        Raises:
            StateError: it is damaged or was written by a newer version.
        """
        return decode_versioned(
            content,
            cls,
            newest=FORMAT_VERSION,
            what=f"journal cursor of {len(content)} bytes",
            hint="without a cursor the journal is read again from its start, which is harmless",
        )


def resume(handle: BinaryIO, known: Position | None) -> Position:
    """Return where to go on in an open segment: `known`, unless the file was replaced or cut shorter.

    Then it is read again from its start; ids are content hashes, so that is harmless.
    """
    status = os.fstat(handle.fileno())
    same = (
        known is not None
        and known.inode == status.st_ino
        and known.offset <= status.st_size
        and (known.head == _head(handle, known.head_bytes) or _erased_head(handle, known.head_bytes))
    )
    return known if known is not None and same else Position(inode=status.st_ino)


def sealed(handle: BinaryIO, position: Position) -> Position:
    """Return `position` with the digest of as many first bytes as have been read."""
    head_bytes = min(position.offset, _HEAD_BYTES)
    if head_bytes == position.head_bytes:
        return position
    return replace(position, head_bytes=head_bytes, head=_head(handle, head_bytes))


def _erased_head(handle: BinaryIO, length: int) -> bool:
    """Say whether one of the first lines was erased: then inode and length alone must tell that it is the same file."""
    handle.seek(0)
    beginning = handle.read(length + len(ERASED))
    starts = [0, *(at + 1 for at in range(length) if beginning[at : at + 1] == b"\n")]
    return any(beginning[at:].startswith(ERASED) or beginning[at : at + 1] == b" " for at in starts)


def _head(handle: BinaryIO, length: int) -> str:
    handle.seek(0)
    return hashlib.sha256(handle.read(length)).hexdigest()[:32] if length else ""
