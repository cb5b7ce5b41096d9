"""`laimark-sidecar doctor`."""

from __future__ import annotations

import json

import pytest

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home


def test_before_init_it_says_so_and_ends_with_1(fresh_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "✓ Python 3." in out
    assert f"✗ {fresh_home.root} is not set up\n    fix: laimark-sidecar init" in out
    assert not fresh_home.root.exists()


def test_a_missing_runner_is_a_warning_and_no_failure(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert {finding["state"] for finding in findings} <= {"ok", "warning"}
    warnings = [finding for finding in findings if finding["state"] == "warning"]
    assert any("laimark-sidecar serve" in finding["fix"] for finding in warnings)


def test_an_open_door_is_found(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    filled_home.root.chmod(0o755)
    assert run(["doctor"]) == 1
    assert f"fix: chmod 700 {filled_home.root}" in capsys.readouterr().out


def test_a_broken_configuration_is_a_finding(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    filled_home.config.write_text("[training]\nsteps = 0\n")
    assert run(["doctor"]) == 1
    assert "✗ " in capsys.readouterr().out
