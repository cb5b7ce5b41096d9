"""`laimark-sidecar pause`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import control


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("pause")


def test_pause_outlasts_the_command_and_shows_in_status(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["pause"]) == 0
    assert run(["pause"]) == 0  # safe to repeat
    assert "laimark-sidecar resume" in capsys.readouterr().out
    assert control.paused(filled_home)
    assert run(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["paused"] is True


def test_a_paused_home_trains_nothing_even_when_asked(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["pause"]) == 0
    assert run(["train", "--now"]) == 5
    assert "error: learning is paused\nhint: laimark-sidecar resume\n" in capsys.readouterr().err
    assert not any(filled_home.cycles.iterdir())


def test_a_home_whose_consent_is_damaged_pauses_and_says_what_to_do(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    filled_home.recording.write_bytes(b"{")
    assert run(["pause"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(
        "paused: nothing is trained until `laimark-sidecar resume`; nothing is recorded, for "
    )
    assert told.endswith("after `resume`: set it anew: laimark-sidecar logs on, or logs off\n")
    assert control.paused(filled_home)


def test_scripts_are_told_whether_it_is_paused(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pause", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"paused": True}
    assert run(["resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"paused": False, "was_paused": True}
