from __future__ import annotations

import stat
from pathlib import Path

import pytest

from laimark_converters.atomic import appearing, replacing


def test_file_appears_when_the_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "out.gguf"
    with replacing(target) as temporary:
        temporary.write_bytes(b"content")
        assert not target.exists()
    assert target.read_bytes() == b"content"
    assert list(target.parent.iterdir()) == [target]


def write_half(target: Path) -> None:
    with replacing(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError


def test_failed_block_keeps_the_old_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "out.gguf"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError):
        write_half(target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    with replacing(tmp_path / "out.gguf") as temporary:
        temporary.write_bytes(b"private")
    assert stat.S_IMODE((tmp_path / "out.gguf").stat().st_mode) == 0o600


def test_folder_appears_when_the_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "base"
    with appearing(target) as temporary:
        (temporary / "config.json").write_bytes(b"content")
        assert not target.exists()
    assert (target / "config.json").read_bytes() == b"content"
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == [target]


def test_failed_or_killed_block_leaves_no_half_folder(tmp_path: Path) -> None:
    target, killed = tmp_path / "base", tmp_path / ".base.tmp"
    killed.mkdir()
    (killed / "half").write_bytes(b"half")

    def fail() -> None:
        with appearing(target) as temporary:
            assert not list(temporary.iterdir())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not list(tmp_path.iterdir())
