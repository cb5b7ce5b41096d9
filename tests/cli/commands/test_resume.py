"""`laimark-sidecar resume`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import control


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("resume")


def test_resume_ends_a_pause_and_is_harmless_without_one(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["pause"]) == 0
    assert run(["resume"]) == 0
    assert not control.paused(filled_home)
    assert capsys.readouterr().out.endswith("\nlearning again\n")
    assert run(["resume"]) == 0
    assert capsys.readouterr().out == "learning was not paused\n"


def test_a_home_whose_consent_is_damaged_learns_again_and_says_that_nothing_is_recorded(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["pause"]) == 0
    filled_home.recording.write_bytes(b"{")
    assert run(["resume"]) != 0
    told = capsys.readouterr().err
    assert "learning again, but nothing is recorded: " in told
    assert "hint: set it anew: laimark-sidecar logs on, or logs off" in told
    assert not control.paused(filled_home)
