"""`laimark-sidecar cp`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.homes import only_version, opened, served

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("cp", "base", "work")


def test_a_version_gets_one_more_name(trained_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    workshop = opened(trained_home)
    name = only_version(workshop).name
    with served(workshop):
        assert run(["cp", name[-4:], "work"]) == 0
        assert capsys.readouterr().out == f"me:work -> {name}\n"
        assert workshop.runner().names()["me:work"] == name
    assert run(["log"]) == 0
    assert "me:work" in capsys.readouterr().out
    assert run(["cp", "base", "latest"]) == 5
    assert "hint: make a version answer to it with: laimark-sidecar use NAME" in capsys.readouterr().err
