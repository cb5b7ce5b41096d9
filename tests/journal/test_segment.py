from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from laimark_sidecar.journal.segment import Segment, is_finished, list_segments, parse_segment, segment_at


def test_a_name_tells_time_and_writer() -> None:
    segment = segment_at(1_795_380_312_123, 41)
    assert segment.name == "20261122T204512.123-41.jsonl"
    assert parse_segment(segment.name) == segment


def test_names_sort_by_time() -> None:
    stamps = [segment_at(time_ms, 7).name for time_ms in range(999_990, 1_000_020)]
    assert stamps == sorted(stamps)


def test_other_files_are_not_segments(tmp_path: Path) -> None:
    for name in ("notes.txt", "20261122T204512.123-41.jsonl.tmp", "x-1.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "20261122T204512.123-41.jsonl").touch()
    assert [segment.pid for segment in list_segments(tmp_path)] == [41]


def test_a_folder_that_is_not_there_has_no_segments(tmp_path: Path) -> None:
    assert list_segments(tmp_path / "later") == ()


def test_a_segment_of_a_living_writer_is_finished_only_by_its_next() -> None:
    first = Segment(stamp="20261122T204512.123", pid=os.getpid())
    second = Segment(stamp="20261122T204513.000", pid=os.getpid())
    assert not is_finished(second, (first, second))
    assert is_finished(first, (first, second))


def test_a_segment_of_a_dead_writer_is_finished() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    segment = Segment(stamp="20261122T204512.123", pid=child.pid)
    assert is_finished(segment, (segment,))
    assert is_finished(Segment(stamp="20261122T204512.123", pid=9_999_999_999), ())
