"""`laimark-sidecar rm`."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest
from tests.support.homes import only_version, opened, served

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("rm", "work")


def test_a_name_goes_at_once_and_a_version_only_when_told(
    trained_home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    workshop = opened(trained_home)
    name = only_version(workshop).name
    with served(workshop):
        assert run(["cp", name, "work"]) == 0
        assert run(["rm", name, "--yes"]) == 5
        assert "me:work points at it" in capsys.readouterr().err
        assert run(["rm", "work"]) == 0
        assert capsys.readouterr().out == "removed me:work\n"
        assert "me:work" not in workshop.runner().names()
        assert run(["rm", name]) == 2
        assert f"{name} was kept: add --yes" in capsys.readouterr().err
        assert workshop.registry.names() == (name,)
        assert run(["rm", name, "--yes"]) == 0
        assert capsys.readouterr().out == f"removed {name}\n"
        assert name not in workshop.runner().names()
    assert workshop.registry.names() == ()
