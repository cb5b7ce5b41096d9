"""`laimark-sidecar use`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.homes import only_version, opened, served

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home
from laimark_sidecar.registry.version import Version


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("use", "base")


def test_a_version_is_used_by_its_last_digits_and_the_base_by_its_name(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop = opened(trained_home)
    name = only_version(workshop).name
    with served(workshop):
        assert run(["use", name[-4:]]) == 0
        assert capsys.readouterr().out == f"me:latest -> {name}\n"
        assert workshop.runner().names()["me:latest"] == name
        assert run(["use", "base"]) == 0
        assert capsys.readouterr().out == "me:latest -> base\n"
        assert workshop.runner().names()["me:latest"] == ""


def test_an_unknown_name_gets_the_nearest_ones(
    versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["use", "me:2026-11-21-bbbc"]) == 5
    err = capsys.readouterr().err
    assert "nearest: me:2026-11-21-bbbb" in err
    assert "hint: laimark-sidecar list" in err


def test_a_name_that_could_be_two_versions_is_refused(
    versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["use", "me:2026-11-2"]) == 5
    assert "could be any of" in capsys.readouterr().err


def test_a_name_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["use"]) == 2
    assert "Missing argument 'NAME'" in capsys.readouterr().err
