"""Appends records to the conversation log: whole lines or nothing.

Each writer has segments of its own, created exclusively, so a line that a crashed writer left half written is
never continued by another. Where the journal is to be sealed, lines are sealed here, or not written.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Literal

from laimark_sidecar.clock import Clock
from laimark_sidecar.files import FILE_MODE, fsync_dir, fsync_file, make_dir
from laimark_sidecar.journal.exchange import Exchange, Feedback, encode
from laimark_sidecar.journal.sealing import Sealer
from laimark_sidecar.journal.segment import MAX_LINE_BYTES, segment_at
from laimark_sidecar.logs import action

Fsync = Literal["always", "interval", "never"]
FSYNC_INTERVAL_S = 1.0
SEGMENT_BYTES = 64 << 20
SEGMENT_AGE_S = 86_400.0
"""A segment holds one day at most, so that days can be deleted: see `journal.retention`."""

_log = logging.getLogger(__name__)


class JournalWriter:
    """The log's end of one process; any of its threads may append.

    Args:
        folder: created owner-only if it is not there. Nothing else is created before the first record.
        clock: names the segments and paces the fsyncs.
        fsync: `always` makes a record durable before `append` returns; `interval` at the first append after a
            second and on close (what the operating system has not written by itself can be lost by a power cut,
            never by a crash of this process); `never` leaves it all to the operating system.
        segment_bytes: a segment that would grow beyond this, or is a day old, is closed and a new one begun.
    """

    def __init__(
        self, folder: Path, *, clock: Clock, fsync: Fsync = "interval", segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._fsync = fsync
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._length = 0
        self._last_ms = 0
        self._begun_s = 0.0
        self._sealer: Sealer
        self._synced_s = clock.monotonic_s()

    def append(self, record: Exchange | Feedback) -> None:
        """Append one record as one line, in a single write.

        Raises:
            OSError: nothing of the record is in the log (disk full, a size limit, a record over
                `MAX_LINE_BYTES`, text that is not Unicode, a journal that is to be sealed and cannot be), or it is there and could not be made durable.
                The next record may be appended all the same.
        """
        try:
            line = encode(record)
        except UnicodeEncodeError as error:
            raise OSError(errno.EILSEQ, f"record {record.id} holds text that is not Unicode") from error
        _require_fitting(line, record.id)
        with self._lock:
            if self._fd is not None and self._is_over(self._fd, len(line)):
                self._close_segment()
            fd = self._open_segment() if self._fd is None else self._fd
            line = self._sealer.sealed(line, record.id)
            _require_fitting(line, record.id)
            self._write(fd, line)
            self._sync(fd)

    def flush(self) -> None:
        """Make durable what was appended so far, whatever `fsync` says.

        Raises:
            OSError: it could not be; a cursor that would skip it must not be stored.
        """
        with self._lock:
            if self._fd is not None:
                fsync_file(self._fd)
                fsync_dir(self._folder)

    def close(self) -> None:
        """Make everything durable (unless `never`) and close the segment. Appending again begins a new one."""
        with self._lock:
            self._close_segment()

    def __enter__(self) -> JournalWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_over(self, fd: int, line_bytes: int) -> bool:
        return (
            self._length + line_bytes > self._segment_bytes
            or abs(self._clock.now_s() - self._begun_s) >= SEGMENT_AGE_S
            or os.fstat(fd).st_nlink == 0  # deleted, by its user or by age: what is written there is lost
        )

    def _write(self, fd: int, line: bytes) -> None:
        try:
            written = os.write(fd, line)
            if written < len(line):
                raise OSError(
                    errno.ENOSPC, f"only {written} of {len(line)} bytes could be written to the journal"
                )
        except OSError as error:
            error.filename = error.filename or str(self._folder)
            self._drop_torn_tail(fd)
            raise
        self._length += len(line)

    def _drop_torn_tail(self, fd: int) -> None:
        try:
            os.ftruncate(fd, self._length)
        except OSError:
            _log.warning("torn line left behind; going on in a new segment", extra=action("journal.torn"))
            self._fd = None
            with contextlib.suppress(OSError):
                os.close(fd)

    def _sync(self, fd: int) -> None:
        now_s = self._clock.monotonic_s()
        due = self._fsync == "interval" and now_s - self._synced_s >= FSYNC_INTERVAL_S
        if self._fsync == "always" or due:
            fsync_file(fd)
            self._synced_s = now_s

    def _open_segment(self) -> int:
        make_dir(self._folder)
        self._sealer = Sealer(self._folder)
        time_ms = max(int(self._clock.now_s() * 1000), self._last_ms + 1)
        while (path := self._folder / segment_at(time_ms, os.getpid()).name).exists():
            time_ms += 1
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, FILE_MODE)
        self._fd, self._length, self._last_ms = fd, 0, time_ms
        self._begun_s = self._clock.now_s()
        if self._fsync != "never":
            fsync_dir(self._folder)
        _log.debug("segment %s begun", path.name, extra=action("journal.rotate"))
        return fd

    def _close_segment(self) -> None:
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        try:
            if self._fsync != "never":
                fsync_file(fd)
        finally:
            os.close(fd)


def _require_fitting(line: bytes, record_id: str) -> None:
    if len(line) > MAX_LINE_BYTES:
        raise OSError(
            errno.EMSGSIZE, f"record {record_id} has {len(line)} bytes, at most {MAX_LINE_BYTES} fit"
        )
