"""`laimark-sidecar promote`, with a real runner that really answers differently afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.homes import add_twin, only_version, opened, served

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home
from laimark_sidecar.registry.version import Version


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("promote")


def test_the_newest_accepted_version_is_served(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop).name
    with served(workshop):
        assert run(["promote"]) == 0
        assert capsys.readouterr().out == f"me:latest -> {version}\n"
        assert workshop.runner().names()["me:latest"] == version
        # Once more changes nothing: the log has one move of `latest`.
        assert run(["promote", version]) == 0
        assert run(["promote"]) == 0
        assert capsys.readouterr().out == f"me:latest is already {version}\n" * 2
    assert len(workshop.registry.history()) == 1


def test_a_version_that_the_user_stepped_back_from_is_served_again_only_by_name(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    with served(workshop):
        assert run(["promote"]) == 0
        assert run(["rollback"]) == 0
        capsys.readouterr()
        assert run(["promote"]) == 5
        assert capsys.readouterr().err == (
            f"error: no new version waits: {version.name} was served before\n"
            f"hint: serve it again with: laimark-sidecar promote {version.name}\n"
        )
        assert workshop.runner().names()["me:latest"] == ""
        twin = add_twin(workshop, version, name="me:2026-11-22-fffe")
        assert run(["promote"]) == 0
        assert run(["promote", version.name]) == 0
    assert capsys.readouterr().out == f"me:latest -> {twin.name}\nme:latest -> {version.name}\n"


def test_without_a_runner_nothing_moves(trained_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["promote"]) == 7
    err = capsys.readouterr().err
    assert "hint: " in err
    assert "laimark-sidecar serve" in err
    assert opened(trained_home).registry.history() == ()


def test_nothing_to_promote_is_said(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["promote"]) == 5
    assert capsys.readouterr().err == (
        "error: no version has passed the gate yet\nhint: see: laimark-sidecar status\n"
    )


def test_an_unknown_name_gets_the_nearest_ones(
    versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["promote", "me:2026-11-21-bbbc"]) == 5
    assert "nearest: me:2026-11-21-bbbb" in capsys.readouterr().err


def test_what_the_gate_refused_is_not_served(
    filled_home: Home, versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    refused = replace(versions[0], name="me:2026-11-22-dddd", verdict="no gain shown", cycle="d")
    opened(filled_home).registry.add(refused)
    assert run(["promote", refused.name]) == 11
    assert f"{refused.name} did not pass the gate: no gain shown" in capsys.readouterr().err
