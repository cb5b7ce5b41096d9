"""The complete lines of a file that grows, from a position on: bounded, torn ends left for later. For every log of lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from laimark_sidecar.journal.cursor import Position
from laimark_sidecar.journal.segment import MAX_LINE_BYTES

BATCH_BYTES = 32 << 20
"""A batch ends early when its lines amount to this many bytes: memory does not grow with the lines."""

_BLOCK_BYTES = 1 << 18


class Budget:
    """What a batch may still take: so many lines, and `BATCH_BYTES`."""

    def __init__(self, *, lines: int) -> None:
        self._lines = lines
        self._bytes = BATCH_BYTES

    @property
    def spent(self) -> bool:
        """Whether the batch is full."""
        return self._lines <= 0 or self._bytes <= 0

    def take(self, size_bytes: int) -> None:
        """Count one line."""
        self._lines -= 1
        self._bytes -= size_bytes


class Lines:
    """The complete lines of a segment from a position on, which moves with them.

    Yields the offset and content of each, or None in place of a content that is too long to be held.
    """

    def __init__(self, handle: BinaryIO, position: Position, budget: Budget) -> None:
        self._handle = handle
        self._budget = budget
        self.position = position
        self._torn_bytes = 0

    @property
    def newly_torn(self) -> bool:
        """Whether the file ends in an incomplete line that was not remembered yet."""
        return self._torn_bytes > self.position.torn_bytes

    def remember_torn(self) -> None:
        """Report that end no more."""
        self.position = replace(self.position, torn_bytes=self._torn_bytes)

    def __iter__(self) -> Iterator[tuple[int, bytes | None]]:
        self._handle.seek(self.position.offset)
        if self.position.skipping:
            self._skip()
        while not self._budget.spent:
            offset = self.position.offset
            line = self._handle.readline(MAX_LINE_BYTES + 1)
            if not line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES:
                self._torn_bytes = len(line)
                return
            self._move(offset + len(line))
            self._budget.take(len(line))
            if line.endswith(b"\n"):
                yield offset, line
            else:
                self._skip()
                yield offset, None

    def _skip(self) -> None:
        """Go to the end of a line that is too long, block by block."""
        offset = self.position.offset
        while block := self._handle.readline(_BLOCK_BYTES):
            offset += len(block)
            if block.endswith(b"\n"):
                break
        self._move(offset, skipping=not block)

    def _move(self, offset: int, *, skipping: bool = False) -> None:
        self.position = replace(self.position, offset=offset, skipping=skipping, torn_bytes=0)
