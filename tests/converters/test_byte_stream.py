from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from laimark_converters.byte_stream import HashedFile, copy_range, read_exactly, sha256_file, stamp
from laimark_converters.errors import ConversionError


def test_hash_and_size_are_those_of_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "x"
    with file.open("wb") as target:
        hashed = HashedFile(target)
        hashed.write(b"one")
        hashed.write(b"two")
    assert file.read_bytes() == b"onetwo"
    assert (hashed.size_bytes, hashed.sha256()) == (6, hashlib.sha256(b"onetwo").hexdigest())
    assert sha256_file(file) == hashed.sha256()


class Pieces(io.BytesIO):
    """Remembers the largest piece that was asked for."""

    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.largest = max(self.largest, size or 0)
        return super().read(size)


@pytest.mark.parametrize("size_bytes", [0, 1, 1 << 20, (3 << 20) + 7])
def test_range_is_copied_as_it_is_a_mebibyte_at_a_time(size_bytes: int) -> None:
    source, target = Pieces(b"before" + b"x" * size_bytes + b"after"), io.BytesIO()
    copy_range(source, 6, size_bytes, HashedFile(target))
    assert target.getvalue() == b"x" * size_bytes
    assert source.largest <= 1 << 20


def test_file_that_ends_early_is_told(tmp_path: Path) -> None:
    file = tmp_path / "x.gguf"
    file.write_bytes(b"abc")
    with file.open("rb") as source, pytest.raises(ConversionError, match=r"x\.gguf ended 2 bytes early"):
        read_exactly(source, 5)


def test_stamp_changes_when_a_file_is_replaced_by_an_equal_one(tmp_path: Path) -> None:
    file, other = tmp_path / "x", tmp_path / "y"
    file.write_bytes(b"same")
    other.write_bytes(b"same")
    before = stamp(file)
    assert stamp(file) == before
    other.replace(file)
    assert stamp(file) != before
    with pytest.raises(ConversionError, match="cannot be read"):
        stamp(tmp_path / "none")
