from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from laimark_sidecar.errors import DataError
from laimark_sidecar.sources.changed_files import changed, open_file
from laimark_sidecar.sources.watermark import Watermark, Watermarks, decode


def names(place: Path, limit: int = 100, after: Watermark | None = None) -> list[str]:
    return [one.key for one in changed(place, ".jsonl", after or Watermark(), limit)]


def test_links_pipes_and_circles_are_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "real.jsonl").touch()
    (tmp_path / "outside.jsonl").touch()
    (folder / "circle").symlink_to(folder)
    (folder / "link.jsonl").symlink_to(tmp_path / "outside.jsonl")
    (folder / "zero.jsonl").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.jsonl")
    assert names(folder) == ["real.jsonl"]


def test_a_place_that_is_gone_is_empty(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "a.jsonl").touch()
    shutil.rmtree(folder)
    assert names(folder) == []


def test_only_what_changed_after_the_mark_is_told_the_first_ones_first(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number:02}.jsonl").touch()
    first = changed(tmp_path, ".jsonl", Watermark(), 5)
    assert len(first) == 5
    rest = names(tmp_path, after=Watermark(time_s=first[-1].when_s, key=first[-1].key))
    assert sorted([*(one.key for one in first), *rest]) == [f"{number:02}.jsonl" for number in range(20)]


def test_a_pipe_in_place_of_a_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="no ordinary file"):
        open_file(tmp_path / "pipe")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep no names that are not UTF-8")
def test_a_file_whose_name_is_not_utf_8_can_be_opened_and_named_in_a_cursor(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.jsonl")).write_bytes(b"content")
    (found,) = changed(tmp_path, ".jsonl", Watermark(), 5)
    assert found.key == r"caf\xe9.jsonl"
    with open_file(found.path) as held:
        assert held.read() == b"content"
    mark = Watermark(time_s=found.when_s, key=found.key)
    assert decode(Watermarks(tables={"files": mark}).encode()).of("files") == mark
    assert changed(tmp_path, ".jsonl", mark, 5) == []
