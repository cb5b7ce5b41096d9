from __future__ import annotations

import json

import pytest
from tests.support.homes import reconfigure

from laimark_sidecar.cli import run
from laimark_sidecar.journal.consent import read_consent
from laimark_sidecar.paths import Home


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["logs", *arguments]) == 0
    return capsys.readouterr().out


def test_recording_is_switched_off_and_on_and_shown(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, "status").startswith("recording on\n")
    assert told(capsys, "off") == "conversations: not recorded from now on\n"
    assert "recording off (it was switched off: laimark-sidecar logs on)" in told(capsys, "status")
    assert json.loads(told(capsys, "status", "--json"))["recording"] is False
    assert told(capsys, "on") == "conversations: recorded from now on\n"
    assert told(capsys, "status").startswith("recording on\n")


def test_models_and_clients_have_rules_of_their_own(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, "on", "--model", "llama3") == "model llama3: recorded from now on\n"
    told(capsys, "off", "--client", "curl", "--client", "zed")
    assert "client    zed: not recorded" in told(capsys, "status")
    consent = read_consent(filled_home.recording)
    assert (consent.models, consent.clients, consent.on) == (
        {"llama3:latest": True},
        {"curl": False, "zed": False},
        True,
    )


def test_scripts_get_the_rules_that_hold_from_now_on(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert json.loads(told(capsys, "off", "--client", "curl", "--json"))["clients"] == {"curl": False}
    assert json.loads(told(capsys, "on", "--client", "curl", "--json"))["clients"] == {"curl": True}


def test_a_pause_wins(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pause"]) == 0
    capsys.readouterr()
    assert "paused, so nothing is recorded before: laimark-sidecar resume" in told(capsys, "on")
    assert "recording off (paused: laimark-sidecar resume)" in told(capsys, "status")
    assert run(["resume"]) == 0
    capsys.readouterr()
    assert told(capsys, "status").startswith("recording on\n")


def test_the_master_switch_is_named(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    reconfigure(filled_home, "journal", record=False)
    assert run(["logs", "on"]) == 3
    assert "journal.record is false" in capsys.readouterr().err


def test_a_damaged_consent_is_set_anew(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    filled_home.recording.write_bytes(b"{")
    told(capsys, "off")
    assert not read_consent(filled_home.recording).on


def test_the_path_is_the_folder_of_the_log(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "path") == f"{filled_home.journal}\n"


def test_a_damaged_consent_is_set_aside_and_nothing_from_before_is_taken_in(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    filled_home.recording.write_bytes(b"{")
    told(capsys, "on")
    assert filled_home.recording.with_suffix(".damaged").read_bytes() == b"{"
    consent = read_consent(filled_home.recording)
    assert consent.on
    assert not consent.covers_time(1_700_000_000.0)


def test_the_rules_of_a_newer_version_are_not_overwritten(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    content = b'{"models":{"private":false},"version":2}'
    filled_home.recording.write_bytes(content)
    assert run(["logs", "on"]) == 5
    assert "upgrade laimark-sidecar" in capsys.readouterr().err
    assert filled_home.recording.read_bytes() == content


def test_what_stays_off_is_told_when_recording_is_switched_on(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "off", "--client", "curl")
    assert "still not recorded: client curl" in told(capsys, "on")
