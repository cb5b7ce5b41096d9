from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.journal.conftest import SteppingClock

from laimark_sidecar.journal.exchange import Exchange, decode
from laimark_sidecar.journal.segment import MAX_LINE_BYTES, list_segments
from laimark_sidecar.journal.writer import JournalWriter

Make = Callable[..., Exchange]


def lines(folder: Path) -> list[bytes]:
    return [
        line
        for segment in list_segments(folder)
        for line in (folder / segment.name).read_bytes().splitlines(keepends=True)
    ]


def test_records_come_back_in_order(folder: Path, clock: SteppingClock, make: Make) -> None:
    exchanges = [make(number) for number in range(5)]
    with JournalWriter(folder, clock=clock) as writer:
        for exchange in exchanges:
            writer.append(exchange)
    assert [decode(line) for line in lines(folder)] == exchanges


def test_nothing_is_created_before_the_first_record(folder: Path, clock: SteppingClock) -> None:
    with JournalWriter(folder, clock=clock):
        pass
    assert not folder.exists()


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_only_the_owner_may_read_it(folder: Path, clock: SteppingClock, make: Make) -> None:
    with JournalWriter(folder, clock=clock) as writer:
        writer.append(make(1))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_segments_rotate_by_size(folder: Path, clock: SteppingClock, make: Make) -> None:
    with JournalWriter(folder, clock=clock, segment_bytes=1000) as writer:
        for number in range(20):
            writer.append(make(number))
    sizes = [path.stat().st_size for path in folder.iterdir()]
    assert len(sizes) > 3
    assert max(sizes) <= 1000
    assert [decode(line).time_s for line in lines(folder)] == [1000.0 + number for number in range(20)]


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be deleted there")
def test_what_is_written_after_the_folder_was_deleted_is_in_a_new_one(
    folder: Path, clock: SteppingClock, make: Make
) -> None:
    with JournalWriter(folder, clock=clock) as writer:
        writer.append(make(1))
        shutil.rmtree(folder)
        writer.append(make(2))
        writer.append(make(3))
    assert [decode(line) for line in lines(folder)] == [make(2), make(3)]


def test_a_record_larger_than_a_segment_gets_its_own(folder: Path, clock: SteppingClock, make: Make) -> None:
    with JournalWriter(folder, clock=clock, segment_bytes=1000) as writer:
        for number in range(3):
            writer.append(make(number, answer="x" * 2000))
    assert len(list_segments(folder)) == 3


def test_a_clock_that_goes_back_does_not_reorder_segments(
    folder: Path, clock: SteppingClock, make: Make
) -> None:
    clock.step_s = -10.0
    with JournalWriter(folder, clock=clock, segment_bytes=1) as writer:
        for number in range(5):
            writer.append(make(number))
    assert [decode(line).time_s for line in lines(folder)] == [1000.0 + number for number in range(5)]


def test_a_new_writer_never_continues_a_torn_segment(folder: Path, clock: SteppingClock, make: Make) -> None:
    with JournalWriter(folder, clock=clock) as writer:
        writer.append(make(1))
    (torn,) = folder.iterdir()
    torn.write_bytes(torn.read_bytes()[:-10])
    before = torn.read_bytes()
    with JournalWriter(folder, clock=clock) as writer:
        writer.append(make(2))
    assert torn.read_bytes() == before
    assert len(list_segments(folder)) == 2


def test_threads_do_not_mix_their_lines(folder: Path, clock: SteppingClock, make: Make) -> None:
    with JournalWriter(folder, clock=clock, fsync="never", segment_bytes=20_000) as writer:

        def work(first: int) -> None:
            for number in range(first, first + 50):
                writer.append(make(number, answer="y" * (number % 700)))

        threads = [threading.Thread(target=work, args=(100 * index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    records = [decode(line) for line in lines(folder)]
    assert len({record.id for record in records}) == len(records) == 200


@pytest.mark.parametrize(
    ("policy", "expected"), [("always", 6), ("interval", 3), ("never", 0)]
)  # always: 5 + close; interval: at 1 s, at 2 s, close
def test_fsync_follows_the_policy(
    folder: Path,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    policy: str,
    expected: int,
) -> None:
    synced: list[int] = []
    monkeypatch.setattr("laimark_sidecar.journal.writer.fsync_file", synced.append)
    clock = SteppingClock(start_s=0.0)
    with JournalWriter(folder, clock=clock, fsync=policy) as writer:  # type: ignore[arg-type]
        for number in range(5):
            clock.time_s = number * 0.5
            writer.append(make(number))
    assert len(synced) == expected


def test_a_record_too_long_to_be_read_back_is_refused(folder: Path, clock: SteppingClock, make: Make) -> None:
    with JournalWriter(folder, clock=clock) as writer:
        with pytest.raises(OSError, match="bytes"):
            writer.append(make(1, answer="x" * MAX_LINE_BYTES))
        writer.append(make(2))
    assert [decode(line) for line in lines(folder)] == [make(2)]


def test_text_that_is_not_unicode_is_refused(folder: Path, clock: SteppingClock, make: Make) -> None:
    with JournalWriter(folder, clock=clock) as writer:
        with pytest.raises(OSError, match="not Unicode"):
            writer.append(make(1, answer="half a pair \ud800"))
        writer.append(make(2))
    assert [decode(line) for line in lines(folder)] == [make(2)]


FULL_DISK = """
import resource, sys
from pathlib import Path
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.journal.exchange import Feedback
from laimark_sidecar.journal.writer import JournalWriter

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
kept = failed = 0
with JournalWriter(Path(sys.argv[1]), clock=SystemClock()) as writer:
    for number in range(12):
        try:
            writer.append(Feedback(id=str(number), time_s=1.0, source="t", exchange_id="e", kind="accept"))
            kept += 1
        except OSError as error:
            failed += error.filename == sys.argv[1]
    writer.close()
    writer.append(Feedback(id="after", time_s=1.0, source="t", exchange_id="e", kind="accept"))
print(kept, failed)
"""


@pytest.mark.skipif(os.name == "nt", reason="RLIMIT_FSIZE")
def test_a_full_disk_leaves_only_whole_lines(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(folder)], capture_output=True, text=True, check=True
    )
    kept, failed = map(int, done.stdout.split())
    assert failed > 0
    assert 0 < kept == 12 - failed
    assert [decode(line).id for line in lines(folder)] == [*map(str, range(kept)), "after"]


def test_a_tail_that_cannot_be_cut_off_is_left_to_a_new_segment(
    folder: Path, clock: SteppingClock, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_write = os.write

    def refuse(fd: int, length: int) -> None:
        raise OSError("no truncation here")

    with JournalWriter(folder, clock=clock) as writer:
        with monkeypatch.context() as patch:
            patch.setattr("os.write", lambda fd, content: real_write(fd, content[:10]))
            patch.setattr("os.ftruncate", refuse)
            with pytest.raises(OSError, match="only 10 of"):
                writer.append(make(1))
        writer.append(make(2))
    torn, whole = list_segments(folder)
    assert (folder / torn.name).stat().st_size == 10
    assert decode((folder / whole.name).read_bytes()) == make(2)
