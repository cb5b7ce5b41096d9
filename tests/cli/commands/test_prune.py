"""`laimark-sidecar prune`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from laimark_sidecar.cli import run
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.files import exclusive
from laimark_sidecar.paths import Home
from laimark_sidecar.registry.registry import Registry

AN_HOUR_AND_MORE_S = 4000.0


@pytest.fixture
def stray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """An object of no version, old enough that nobody is about to register it, in a fresh home."""
    monkeypatch.setenv("LAIMARK_HOME", str(tmp_path / "home"))
    assert run(["init", "--yes"]) == 0
    registry = Registry.open(tmp_path / "home" / "registry", clock=SystemClock())
    path = registry.objects.path(registry.objects.put_bytes(b"of no version"))
    old_s = path.stat().st_mtime - AN_HOUR_AND_MORE_S
    os.utime(path, (old_s, old_s))
    capsys.readouterr()
    return path


def test_without_yes_it_only_lists(stray: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune"]) == 0
    assert str(stray) in capsys.readouterr().out
    assert stray.exists()


def test_yes_deletes_and_json_says_what(stray: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "paths": [str(stray)],
        "size_bytes": 13,
        "young": 0,
        "dry_run": False,
    }
    assert not stray.exists()


def test_what_stays_because_it_is_young_is_said(
    stray: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stray.touch(mode=0o400)
    os.utime(stray)
    with exclusive(Home(root=tmp_path / "home").daemon_lock, "laimark-sidecar run (pid 1)"):
        assert run(["prune", "--yes"]) == 0
        assert "0 files, 0 bytes deleted\n1 younger than an hour stay" in capsys.readouterr().out
    assert stray.exists()
    assert run(["prune", "--yes"]) == 0
    assert "younger" not in capsys.readouterr().out
    assert not stray.exists()
