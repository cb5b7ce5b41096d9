from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.journal.erasing import ERASED, Erased, erase, is_erased, lines_of
from laimark_sidecar.journal.exchange import Exchange, encode
from laimark_sidecar.journal.find import find_exchange
from laimark_sidecar.journal.reader import read
from laimark_sidecar.journal.segment import list_segments
from laimark_sidecar.journal.writer import JournalWriter

Make = Callable[..., Exchange]
Write = Callable[..., list[Exchange]]


def segment(folder: Path) -> Path:
    (only,) = list_segments(folder)
    return folder / only.name


def with_id(*exchanges: Exchange) -> Callable[[bytes], bool]:
    return lambda line: any(one.id.encode() in line for one in exchanges)


def test_an_erased_line_is_neither_read_nor_a_fault_nor_found(folder: Path, write: Write) -> None:
    first, second, third = write(1, 2, 3)
    assert erase(folder, with_id(second)) == Erased(lines=1, size_bytes=len(encode(second)))
    batch = read(folder, None)
    assert batch.records == (first, third)
    assert batch.faults == ()
    assert find_exchange(folder, second.id) is None
    assert second.id.encode() not in segment(folder).read_bytes()


def test_length_inode_and_age_of_the_segment_stay(folder: Path, write: Write) -> None:
    (exchange,) = write(1)
    os.utime(segment(folder), ns=(5, 7))
    before = segment(folder).stat()
    erase(folder, with_id(exchange))
    after = segment(folder).stat()
    assert (after.st_size, after.st_ino, after.st_mtime_ns) == (before.st_size, before.st_ino, 7)


def test_erasing_again_finds_nothing_to_do(folder: Path, write: Write) -> None:
    (exchange,) = write(1)
    erase(folder, with_id(exchange))
    assert erase(folder, lambda line: True) == Erased()
    assert list(lines_of(folder)) == []


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gone=st.sets(st.integers(0, 9)), read_before=st.integers(0, 10), later=st.integers(0, 3))
def test_every_other_record_is_read_exactly_once_wherever_the_cursor_stands(
    tmp_path_factory: pytest.TempPathFactory, make: Make, gone: set[int], read_before: int, later: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    exchanges = [make(number) for number in range(10 + later)]
    with JournalWriter(folder, clock=SystemClock(), fsync="never") as writer:
        for exchange in exchanges[:10]:
            writer.append(exchange)
        before = read(folder, None, max_lines=read_before)
        erase(folder, with_id(*(exchanges[number] for number in gone)))
        for exchange in exchanges[10:]:
            writer.append(exchange)
        after = read(folder, before.cursor)
    expected = [one for number, one in enumerate(exchanges) if number >= read_before and number not in gone]
    assert list(after.records) == expected
    assert after.faults == ()


def test_an_appender_at_work_loses_nothing(folder: Path, make: Make) -> None:
    code = """
import sys
from pathlib import Path
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.journal.exchange import decode
from laimark_sidecar.journal.writer import JournalWriter
with JournalWriter(Path(sys.argv[1]), clock=SystemClock(), fsync="never") as writer:
    for line in sys.stdin.buffer:
        writer.append(decode(line))
        print(flush=True)
"""
    exchanges = [make(number) for number in range(60)]
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for exchange in exchanges:
            child.stdin.write(encode(exchange))
            child.stdin.flush()
            child.stdout.readline()
            if int(exchange.time_s) % 3 == 0:
                erase(folder, with_id(exchange))
        child.stdin.close()
        assert child.wait() == 0
    kept = [one for one in exchanges if int(one.time_s) % 3]
    assert list(read(folder, None).records) == kept


def test_a_line_that_a_crash_left_half_overwritten_reads_as_erased_and_is_cleared_later(
    folder: Path, write: Write
) -> None:
    first, second = write(1, 2)
    path = segment(folder)
    content = path.read_bytes()
    path.write_bytes(content.replace(encode(first)[: len(ERASED)], ERASED, 1))
    batch = read(folder, None)
    assert (batch.records, batch.faults) == ((second,), ())
    assert erase(folder, lambda line: False).lines == 1
    assert path.read_bytes().splitlines()[0].rstrip() == ERASED


def test_the_incomplete_last_line_of_a_dead_writer_is_erased_too(folder: Path, make: Make) -> None:
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    path = folder / f"20261122T204512.123-{gone.pid}.jsonl"
    torn = encode(make(1, prompt="a secret"))[:-20]
    path.write_bytes(torn)
    assert erase(folder, lambda line: b"a secret" in line).lines == 1
    assert path.read_bytes() == ERASED.ljust(len(torn))


def test_the_last_line_of_a_living_writer_is_left_to_it(folder: Path, write: Write, make: Make) -> None:
    write(1)
    path = segment(folder)
    with path.open("ab") as handle:
        handle.write(encode(make(2))[:-1])
    assert erase(folder, with_id(make(2))) == Erased()


@pytest.mark.parametrize("line", [b"x\n", b"not json at all\n", ERASED[:-1] + b"\n"])
def test_a_line_shorter_than_the_mark_becomes_blank(folder: Path, line: bytes) -> None:
    folder.mkdir()
    path = folder / "20261122T204512.123-1.jsonl"
    path.write_bytes(line)
    assert erase(folder, lambda content: True).lines == 1
    assert path.read_bytes() == b" " * (len(line) - 1) + b"\n"
    assert is_erased(path.read_bytes())
    assert read(folder, None).faults == ()


def test_a_killed_erasure_is_carried_on_by_the_next(folder: Path, make: Make) -> None:
    exchanges = [make(number, prompt="a secret " * 500) for number in range(40)]
    with JournalWriter(folder, clock=SystemClock(), fsync="never") as writer:
        for exchange in exchanges:
            writer.append(exchange)
    code = """
import os, signal, sys
from pathlib import Path
from laimark_sidecar.journal.erasing import erase
seen = 0
def doomed(line):
    global seen
    seen += 1
    if seen == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return True
erase(Path(sys.argv[1]), doomed)
"""
    child = subprocess.run([sys.executable, "-c", code, str(folder)], check=False)
    assert child.returncode == -signal.SIGKILL
    assert list(read(folder, None).records) == exchanges[19:]
    erase(folder, lambda line: True)
    assert b"secret" not in segment(folder).read_bytes()


def test_a_journal_that_is_not_there_holds_nothing_to_erase(folder: Path) -> None:
    assert erase(folder, lambda line: True) == Erased()
