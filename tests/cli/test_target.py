"""Where commands write, and where they do not."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from laimark_sidecar.cli.target import check_file, check_folder_of


def test_a_new_file_in_a_folder_that_is_there_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for out in (tmp_path / "new.gguf", Path("new.gguf")):
        check_file(out, force=False)
        check_folder_of(out)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named_and_not_made(tmp_path: Path) -> None:
    for check in (check_folder_of, lambda out: check_file(out, force=True)):
        with pytest.raises(click.UsageError, match=f"there is no folder {tmp_path / 'none'}"):
            check(tmp_path / "none" / "new.gguf")
    assert list(tmp_path.iterdir()) == []


def test_only_force_replaces_a_file_and_nothing_replaces_a_folder(tmp_path: Path) -> None:
    old = tmp_path / "old.gguf"
    old.write_bytes(b"old")
    with pytest.raises(click.UsageError, match=r"old\.gguf exists already: add --force"):
        check_file(old, force=False)
    check_file(old, force=True)
    with pytest.raises(click.UsageError, match="is a folder"):
        check_file(tmp_path, force=True)
