"""`laimark-sidecar validate`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.support.homes import IDIOM, only_version, opened, reconfigure

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("validate")


def test_an_accepted_version_passes_again_and_a_stricter_gate_refuses_it(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    name = only_version(opened(trained_home)).name
    assert run(["validate", name, "--json"]) == 0
    out, err = capsys.readouterr()
    verdict = json.loads(out)
    assert verdict["accepted"] is True
    assert "validating" in err
    assert IDIOM not in err
    reconfigure(trained_home, "gate", min_gain=50.0)
    assert run(["validate", name]) == 11
    out, err = capsys.readouterr()
    assert out.startswith(f"{name}: rejected\n")
    assert "  ✗ " in out
    assert "  ✓ " in out
    assert (
        f"error: {name} does not pass the gate today\nhint: go back with: laimark-sidecar rollback\n" in err
    )


def test_the_base_cannot_be_validated(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate"]) == 5
    assert "me:latest is the base" in capsys.readouterr().err
