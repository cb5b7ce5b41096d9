from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.journal.conftest import SteppingClock

from laimark_sidecar.journal.cursor import Cursor
from laimark_sidecar.journal.exchange import Exchange, Feedback, encode
from laimark_sidecar.journal.reader import Fault, read
from laimark_sidecar.journal.segment import MAX_LINE_BYTES, list_segments, segment_at
from laimark_sidecar.journal.writer import JournalWriter

Write = Callable[..., list[Exchange]]


def only_segment(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def drain(
    folder: Path, cursor: Cursor | None = None, max_lines: int = 1000
) -> tuple[list[str], list[Fault], Cursor]:
    """Read until there is no more, through encoded cursors as a daemon would."""
    ids: list[str] = []
    faults: list[Fault] = []
    while True:
        batch = read(folder, cursor, max_lines=max_lines)
        ids += [record.id for record in batch.records]
        faults += batch.faults
        cursor = Cursor.decode(batch.cursor.encode())
        if not batch.more:
            return ids, faults, cursor


def test_an_empty_log_has_nothing_to_read(folder: Path) -> None:
    batch = read(folder, None)
    assert (batch.records, batch.faults, batch.more) == ((), (), False)
    folder.mkdir()
    (folder / segment_at(5, os.getpid()).name).touch()
    batch = read(folder, batch.cursor)
    assert (batch.records, batch.faults, batch.more) == ((), (), False)


def test_each_record_is_read_once(folder: Path, write: Write) -> None:
    written = write(1, 2, 3) + write(4)
    first = read(folder, None)
    assert first.records == tuple(written)
    assert read(folder, first.cursor).records == ()
    later = write(5)
    assert read(folder, first.cursor).records == tuple(later)


def test_a_batch_takes_no_more_lines_than_asked_for(folder: Path, write: Write) -> None:
    written = write(1, 2, 3) + write(4, 5)
    batch = read(folder, None, max_lines=2)
    assert len(batch.records) == 2
    assert batch.more
    ids, _, _ = drain(folder, None, max_lines=2)
    assert ids == [exchange.id for exchange in written]


def test_a_batch_takes_no_more_bytes_than_fit_in_memory(
    folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laimark_sidecar.journal.lines.BATCH_BYTES", 500)
    written = write(*range(10))
    assert len(read(folder, None).records) < 5
    assert drain(folder)[0] == [exchange.id for exchange in written]


@pytest.mark.parametrize(
    "bad",
    [
        b"not json",
        b"\x00\x01\xff\xfe binary \x80",
        b"\x00" * 4096,
        b"",
        b'{"type":"exchange"}',
        b'{"type":"exchange","version":2}',
        b'{"type":"rumour","version":1}',
        b'{"type":"exchange","version":1,"id":"x"}',
        b"[" * 5000,
    ],
)
def test_a_bad_line_is_reported_and_stepped_over(folder: Path, write: Write, bad: bytes) -> None:
    first, second = write(1, 2)
    only_segment(folder).write_bytes(encode(first) + bad + b"\n" + encode(second))
    ids, faults, cursor = drain(folder)
    assert ids == [first.id, second.id]
    assert [(fault.segment, fault.offset) for fault in faults] == [
        (only_segment(folder).name, len(encode(first)))
    ]
    assert drain(folder, cursor)[:2] == ([], [])


def test_an_unknown_role_is_a_fault(folder: Path, write: Write) -> None:
    first, second = write(1, 2)
    strange = encode(first).replace(b'"role":"user"', b'"role":"prophet"')
    only_segment(folder).write_bytes(strange + encode(second))
    ids, faults, _ = drain(folder)
    assert ids == [second.id]
    assert len(faults) == 1


def test_duplicate_lines_keep_one_identity(folder: Path, write: Write) -> None:
    (exchange,) = write(1)
    only_segment(folder).write_bytes(encode(exchange) * 3)
    ids, faults, _ = drain(folder)
    assert set(ids) == {exchange.id}
    assert faults == []


def test_a_line_of_a_gigabyte_is_skipped_in_flat_memory(folder: Path, write: Write) -> None:
    before, after = write(1, 2)
    path = only_segment(folder)
    path.write_bytes(encode(before))
    os.truncate(path, 1 << 30)
    with path.open("ab") as handle:
        handle.write(b"\n" + encode(after))
    tracemalloc.start()
    try:
        ids, faults, _ = drain(folder)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ids == [before.id, after.id]
    assert [fault.reason for fault in faults] == [f"line is longer than {MAX_LINE_BYTES} bytes"]
    assert peak_bytes < 3 * MAX_LINE_BYTES


def test_a_line_that_grows_too_long_is_reported_once_and_skipped_to_its_end(
    folder: Path, write: Write
) -> None:
    (exchange,) = write(1)
    path = only_segment(folder)
    os.truncate(path, 0)
    os.truncate(path, MAX_LINE_BYTES + 10)
    ids, faults, cursor = drain(folder)
    assert (ids, len(faults)) == ([], 1)
    os.truncate(path, MAX_LINE_BYTES + 5000)
    assert drain(folder, cursor)[:2] == ([], [])
    with path.open("ab") as handle:
        handle.write(b"end of it\n" + encode(exchange))
    assert drain(folder, cursor)[:2] == ([exchange.id], [])


def test_an_incomplete_line_of_a_living_writer_is_left_for_later(folder: Path, write: Write) -> None:
    first, second = write(1, 2)
    path = only_segment(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    ids, faults, cursor = drain(folder)
    assert (ids, faults) == ([first.id], [])
    with path.open("ab") as handle:
        handle.write(whole[-7:])
    assert drain(folder, cursor)[0] == [second.id]


def test_an_incomplete_line_that_its_writer_left_behind_is_reported_once(folder: Path, write: Write) -> None:
    (lost,) = write(1)
    torn = only_segment(folder)
    torn.write_bytes(encode(lost)[:-7])
    (kept,) = write(2)
    ids, faults, cursor = drain(folder)
    assert ids == [kept.id]
    assert [(fault.segment, fault.reason) for fault in faults] == [(torn.name, "incomplete last line")]
    assert drain(folder, cursor)[:2] == ([], [])


def test_a_torn_line_that_grows_after_all_is_read(folder: Path, write: Write) -> None:
    """A writer in another container looks dead from here; its lines must not be lost for it."""
    (late,) = write(1)
    torn = only_segment(folder)
    torn.write_bytes(encode(late)[:-7])
    write(2)
    _, _, cursor = drain(folder)
    with torn.open("ab") as handle:
        handle.write(encode(late)[-7:])
    assert drain(folder, cursor)[:2] == ([late.id], [])


def test_a_file_cut_shorter_is_read_again(folder: Path, write: Write) -> None:
    first, _ = write(1, 2)
    _, _, cursor = drain(folder)
    os.truncate(only_segment(folder), len(encode(first)))
    assert drain(folder, cursor)[0] == [first.id]


def test_a_replaced_file_is_read_from_its_start(
    folder: Path, write: Write, make: Callable[..., Exchange]
) -> None:
    write(1)
    _, _, cursor = drain(folder)
    path = only_segment(folder)
    other = folder.parent / "other"
    other.write_bytes(encode(make(8)) + encode(make(9)))
    other.rename(path)
    assert drain(folder, cursor)[0] == [make(8).id, make(9).id]


def test_a_vanished_segment_leaves_the_cursor(folder: Path, write: Write) -> None:
    write(1)
    gone = only_segment(folder)
    (kept,) = write(2)
    cursor = read(folder, None, max_lines=1).cursor
    gone.unlink()
    batch = read(folder, cursor)
    assert [record.id for record in batch.records] == [kept.id]
    assert gone.name not in batch.cursor.positions


def test_a_segment_that_vanishes_while_reading_is_passed_over(
    folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(1)
    only_segment(folder).rename(folder.parent / "moved")
    (kept,) = write(2)
    ghost = segment_at(1, 1)
    monkeypatch.setattr(
        "laimark_sidecar.journal.reader.list_segments", lambda path: (ghost, *list_segments(path))
    )
    assert [record.id for record in read(folder, None).records] == [kept.id]


def test_rotation_while_reading_loses_nothing(
    folder: Path, clock: SteppingClock, make: Callable[..., Exchange]
) -> None:
    cursor: Cursor | None = None
    ids: list[str] = []
    with JournalWriter(folder, clock=clock, fsync="never", segment_bytes=900) as writer:
        for number in range(30):
            writer.append(make(number))
            if number % 4 == 0:
                batch = read(folder, cursor, max_lines=3)
                cursor = batch.cursor
                ids += [record.id for record in batch.records]
    rest, faults, _ = drain(folder, cursor)
    assert sorted(ids + rest) == sorted(make(number).id for number in range(30))
    assert faults == []


WRITING_CHILD = """
import os, sys
from pathlib import Path
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.journal.exchange import Feedback
from laimark_sidecar.journal.writer import JournalWriter

real_write = os.write
count = 0
def slow_write(fd, content):
    global count
    count += 1
    if count == 60:  # the crash comes in the middle of a line
        real_write(fd, content[:len(content) // 2])
        sys.stdout.write("torn\\n")
        sys.stdout.flush()
        sys.stdin.read()
    return real_write(fd, content)
os.write = slow_write
with JournalWriter(Path(sys.argv[1]), clock=SystemClock(), segment_bytes=2000) as writer:
    for number in range(100):
        writer.append(Feedback(id=str(number), time_s=1.0, source="t", exchange_id="e", kind="accept"))
"""


def test_a_writer_killed_in_mid_line_costs_only_that_line(folder: Path, write: Write) -> None:
    command = [sys.executable, "-c", WRITING_CHILD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "torn\n"
        ids, faults, cursor = drain(folder, max_lines=7)
        assert ids == [str(number) for number in range(59)]
        assert faults == []
        child.send_signal(signal.SIGKILL)
    after = write(1)
    ids, faults, cursor = drain(folder, cursor, max_lines=7)
    assert sorted(ids) == sorted(exchange.id for exchange in after)
    assert [fault.reason for fault in faults] == ["incomplete last line"]
    assert drain(folder, cursor)[:2] == ([], [])


@settings(max_examples=60, deadline=None)
@given(data=st.data(), sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=12))
def test_random_chunks_yield_each_record_exactly_once(data: st.DataObject, sizes: list[int]) -> None:
    """Whatever the moments at which the reader looks at a growing file, it sees every record once, in order."""
    records = [
        Feedback(id=str(number), time_s=1.0, source="t", exchange_id="e", kind="edit", text="é" * size)
        for number, size in enumerate(sizes)
    ]
    content = b"".join(encode(record) for record in records)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=8)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / segment_at(5, os.getpid()).name
        seen: list[str] = []
        cursor: Cursor | None = None
        for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
            with path.open("ab") as handle:
                handle.write(content[start:end])
            batch = read(folder, cursor, max_lines=data.draw(st.integers(1, 4)))
            cursor = Cursor.decode(batch.cursor.encode())
            seen += [record.id for record in batch.records]
            assert batch.faults == ()
        rest, faults, _ = drain(folder, cursor)
    assert seen + rest == [record.id for record in records]
    assert faults == []
