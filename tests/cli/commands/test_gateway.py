"""`laimark-sidecar gateway`; the process itself is tested in `tests/e2e/test_gateway_clients.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("gateway")
    without_home("gateway", "takeover")


def test_a_machine_without_systemd_is_told_what_to_do_instead(
    filled_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    before = filled_home.config.read_bytes()
    assert run(["gateway", "takeover"]) != 0
    assert "OLLAMA_HOST=http://127.0.0.1:11436" in capsys.readouterr().err
    assert filled_home.config.read_bytes() == before


def test_where_nothing_was_taken_over_there_is_nothing_to_undo(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["gateway", "undo", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("nothing to undo")
