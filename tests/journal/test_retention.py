from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.journal.conftest import SteppingClock

from laimark_sidecar.journal.exchange import Exchange, encode
from laimark_sidecar.journal.reader import read
from laimark_sidecar.journal.retention import aged, delete_older
from laimark_sidecar.journal.writer import SEGMENT_AGE_S, JournalWriter

Make = Callable[..., Exchange]


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    return gone.pid


def put(folder: Path, stamp: str, pid: int, *exchanges: Exchange, written_s: float) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{stamp}-{pid}.jsonl"
    path.write_bytes(b"".join(map(encode, exchanges)))
    os.utime(path, (written_s, written_s))
    return path


def test_what_was_written_before_is_deleted_and_the_rest_read_on(folder: Path, make: Make) -> None:
    pid = dead_pid()
    old = put(folder, "20261101T000000.000", pid, make(1), make(2), written_s=100.0)
    put(folder, "20261102T000000.000", pid, make(3), make(4), written_s=200.0)
    cursor = read(folder, None, max_lines=3).cursor
    (gone,) = delete_older(folder, before_s=200.0)
    assert (gone.segment.name, gone.newest_s) == (old.name, 100.0)
    assert not old.exists()
    assert read(folder, cursor).records == (make(4),)


def test_a_segment_of_a_living_writer_is_emptied_and_can_be_appended_to(folder: Path, make: Make) -> None:
    path = put(folder, "20261101T000000.000", os.getpid(), make(1), written_s=100.0)
    delete_older(folder, before_s=200.0)
    with path.open("ab") as handle:
        handle.write(encode(make(2)))
    batch = read(folder, None)
    assert (batch.records, batch.faults) == ((make(2),), ())


def test_age_is_when_it_was_recorded_not_when_it_was_said(
    folder: Path, clock: SteppingClock, make: Make
) -> None:
    with JournalWriter(folder, clock=clock) as writer:
        writer.append(make(1))
    (one,) = aged(folder)
    assert make(1).time_s < 2000.0
    assert one.newest_s > 1_700_000_000.0
    assert delete_older(folder, before_s=one.newest_s) == ()


def test_a_segment_holds_a_day_at_most(folder: Path, clock: SteppingClock, make: Make) -> None:
    with JournalWriter(folder, clock=clock) as writer:
        writer.append(make(1))
        clock.time_s += SEGMENT_AGE_S / 2
        writer.append(make(2))
        assert len(aged(folder)) == 1
        clock.time_s += SEGMENT_AGE_S / 2
        writer.append(make(3))
    assert len(aged(folder)) == 2


def test_no_journal_has_no_age(folder: Path) -> None:
    assert aged(folder) == ()
    assert delete_older(folder, before_s=1e12) == ()
