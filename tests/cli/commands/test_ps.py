"""`laimark-sidecar ps`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.support.homes import only_version, opened, served

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("ps")


def test_names_are_told_with_what_answers(trained_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    workshop = opened(trained_home)
    name = only_version(workshop).name
    with served(workshop):
        assert run(["promote"]) == 0
        capsys.readouterr()
        assert run(["ps"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert any(line.split()[:2] == ["me:latest", name] for line in lines)
        assert any(line.split()[:2] == ["me:prev", "base"] for line in lines)
        assert run(["ps", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["names"]["me:latest"] == name


def test_a_runner_that_is_down_is_an_error_with_a_hint(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ps"]) == 7
    assert "hint: " in capsys.readouterr().err
