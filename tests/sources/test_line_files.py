from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sources.test_open_webui import At

from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.journal.exchange import Exchange, Message
from laimark_sidecar.sources import line_files
from laimark_sidecar.sources.source import SourceBatch
from laimark_sidecar.sources.told_exchange import told_exchange

LATER = At(9e9)


def parse(line: bytes, name: str, changed_s: float) -> Iterator[Exchange]:
    if line.startswith(b"bad"):
        raise DataError("it is bad")
    yield told_exchange(
        source="s",
        time_s=changed_s,
        model="",
        messages=(Message(role="user", content="Hi"),),
        answer=Message(role="assistant", content=line.decode().strip()),
    )


def look(
    place: Path, cursor: bytes | None = None, *, max_lines: int = 1000, clock: At = LATER
) -> SourceBatch:
    return line_files.read(place, parse, cursor, clock=clock, max_lines=max_lines)


def answers(batch: SourceBatch) -> list[str]:
    return [one.answer for one in batch.records if isinstance(one, Exchange)]


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def test_what_is_appended_is_read_once_and_a_torn_line_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    append(path, b"one\ntw")
    batch = look(tmp_path)
    assert answers(batch) == ["one"]
    append(path, b"o\n")
    batch = look(tmp_path, batch.cursor)
    assert answers(batch) == ["two"]
    assert answers(look(tmp_path, batch.cursor)) == []


def test_one_file_is_a_log_too(tmp_path: Path) -> None:
    append(tmp_path / "chats.txt", b"one\nbad\n")
    batch = look(tmp_path / "chats.txt")
    assert answers(batch) == ["one"]
    assert [(fault.segment, fault.offset) for fault in batch.faults] == [("chats.txt", 4)]


@pytest.mark.parametrize("replace", [True, False])
def test_a_file_that_is_replaced_or_cut_is_read_from_its_start(tmp_path: Path, replace: bool) -> None:
    path = tmp_path / "a.jsonl"
    append(path, b"one\ntwo\n")
    cursor = look(tmp_path).cursor
    if replace:
        append(tmp_path / "new", b"new\nfile\nlonger\n")
        (tmp_path / "new").rename(path)
        assert answers(look(tmp_path, cursor)) == ["new", "file", "longer"]
    else:
        path.write_bytes(b"cut\n")
        assert answers(look(tmp_path, cursor)) == ["cut"]


def test_a_rotated_file_repeats_nothing_new_and_its_successor_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    append(path, b"one\n")
    first = look(tmp_path)
    path.rename(tmp_path / "a.1.jsonl")
    append(path, b"two\n")
    again = look(tmp_path, first.cursor)
    ids = {one.id for one in first.records}
    assert [one.answer for one in again.records if isinstance(one, Exchange) and one.id not in ids] == ["two"]


@pytest.mark.parametrize("max_lines", [1, 2, 7, 1000])
def test_batches_of_any_size_tell_every_line_once(tmp_path: Path, max_lines: int) -> None:
    wanted = [f"{file}-{line}" for file in range(5) for line in range(4)]
    for file in range(5):
        append(tmp_path / f"{file}.jsonl", b"".join(f"{file}-{line}\n".encode() for line in range(4)))
    found: list[str] = []
    cursor, more = None, True
    while more:
        batch = look(tmp_path, cursor, max_lines=max_lines)
        found += answers(batch)
        cursor, more = batch.cursor, batch.more
    assert sorted(found) == wanted


def test_a_file_of_this_very_second_is_read_at_once_and_what_follows_in_it_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    append(path, b"one\n")
    held = path.stat()
    now = At(held.st_mtime + 0.1)
    batch = look(tmp_path, clock=now)
    assert answers(batch) == ["one"]
    append(path, b"two\n")
    os.utime(path, ns=(held.st_mtime_ns, held.st_mtime_ns))
    assert answers(look(tmp_path, batch.cursor, clock=now)) == ["two"]


def test_the_cursor_of_many_files_stays_small_and_a_new_one_is_noticed(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number}.jsonl").write_bytes(b"x\n")
    cursor, more = None, True
    while more:
        batch = look(tmp_path, cursor, max_lines=100)
        cursor, more = batch.cursor, batch.more
    assert cursor is not None
    assert len(json.loads(cursor)["positions"]) == line_files.KEPT
    append(tmp_path / "new.jsonl", b"new\n")
    assert answers(look(tmp_path, cursor)) == ["new"]


def test_a_line_that_is_too_long_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laimark_sidecar.journal.lines.MAX_LINE_BYTES", 100)
    append(tmp_path / "a.jsonl", b"x" * 5000 + b"\none\n")
    batch = look(tmp_path)
    assert answers(batch) == ["one"]
    assert "line is longer than" in batch.faults[0].reason


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="whoever runs this may read all")
def test_a_file_that_may_not_be_read_is_a_fault_until_it_may(tmp_path: Path) -> None:
    append(tmp_path / "a.jsonl", b"1\n")
    (tmp_path / "a.jsonl").chmod(0)
    append(tmp_path / "b.jsonl", b"2\n")
    batch = look(tmp_path)
    assert (answers(batch), [fault.segment for fault in batch.faults]) == (["2"], ["a.jsonl"])
    seen_ns = (tmp_path / "b.jsonl").stat().st_ctime_ns
    while (tmp_path / "a.jsonl").stat().st_ctime_ns <= seen_ns:  # the clock of a file system ticks slowly
        (tmp_path / "a.jsonl").chmod(0o600)
    assert answers(look(tmp_path, batch.cursor)) == ["1"]


def test_a_special_file_is_refused() -> None:
    with pytest.raises(DataError, match="no ordinary file"):
        look(Path("/dev/zero"))


@pytest.mark.parametrize("cursor", [b"[", b"\xff", b'{"version":2}'])
def test_a_cursor_that_cannot_be_read_is_a_clear_error(tmp_path: Path, cursor: bytes) -> None:
    with pytest.raises(StateError, match="cursor"):
        look(tmp_path, cursor)
