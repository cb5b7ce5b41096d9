from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.errors import StateError
from laimark_sidecar.journal.cursor import Cursor, Position, resume, sealed


def position_after(path: Path, offset: int) -> Position:
    with path.open("rb") as handle:
        return sealed(handle, Position(inode=path.stat().st_ino, offset=offset))


def resumed(path: Path, known: Position | None) -> int:
    with path.open("rb") as handle:
        return resume(handle, known).offset


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "segment"
    path.write_bytes(b"first line\nsecond line\n")
    return path


def test_a_cursor_comes_back_from_its_bytes() -> None:
    cursor = Cursor(positions={"a": Position(inode=3, offset=7, head_bytes=7, head="ab", skipping=True)})
    assert Cursor.decode(cursor.encode()) == cursor


@pytest.mark.parametrize("content", [b"", b"garbage", b'{"positions": 3}', b"\xff", b'{"version": 99}'])
def test_a_damaged_or_newer_cursor_is_refused(content: bytes) -> None:
    with pytest.raises(StateError, match="journal cursor"):
        Cursor.decode(content)


def test_a_file_that_only_grew_is_read_on(path: Path) -> None:
    known = position_after(path, 11)
    with path.open("ab") as handle:
        handle.write(b"third line\n" * 100)
    assert resumed(path, known) == 11


def test_an_unknown_file_is_read_from_its_start(path: Path) -> None:
    assert resumed(path, None) == 0


def test_a_file_cut_shorter_is_read_again(path: Path) -> None:
    known = position_after(path, 23)
    path.write_bytes(b"first line\n")
    assert resumed(path, known) == 0


def test_another_file_of_this_name_is_read_from_its_start(path: Path) -> None:
    known = position_after(path, 11)
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    other.rename(path)
    assert resumed(path, known) == 0


def test_other_content_in_the_same_file_is_read_from_its_start(path: Path) -> None:
    known = position_after(path, 11)
    inode = path.stat().st_ino
    path.write_bytes(b"other line\nsecond line\n")
    assert path.stat().st_ino == inode
    assert resumed(path, known) == 0


def test_the_head_covers_no_byte_that_was_not_read(path: Path) -> None:
    known = position_after(path, 11)
    path.write_bytes(b"first line\nother\nother\n")
    assert known.head_bytes == 11
    assert resumed(path, known) == 11
