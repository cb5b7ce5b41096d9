"""`laimark-sidecar list`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.homes import opened

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home
from laimark_sidecar.registry.version import Version


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("list")


def test_without_versions_the_base_answers(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list"]) == 0
    assert capsys.readouterr().out == "no versions yet: the base answers\n"
    assert run(["list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_versions_come_newest_first_with_the_names_that_point_at_them(
    filled_home: Home, versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    newer, older = versions
    opened(filled_home).registry.set_refs({"latest": newer.name, "prev": older.name}, reason="test")
    assert run(["list"]) == 0
    first, second = (line.split() for line in capsys.readouterr().out.splitlines()[2:])
    assert (first[0], first[1], first[3]) == (newer.name, "me:latest", older.name)
    assert (second[0], second[1], second[3]) == (older.name, "me:prev", "base")
    assert "+0.250" in first
    assert "0.013" in first or "0.012" in first
    assert run(["list", "--json"]) == 0
    assert [version["name"] for version in json.loads(capsys.readouterr().out)] == [newer.name, older.name]


def test_a_version_shows_both_names_that_point_at_it(
    filled_home: Home, versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    newer, _ = versions
    opened(filled_home).registry.set_refs({"latest": newer.name, "prev": newer.name}, reason="test")
    assert run(["list"]) == 0
    assert "me:latest, me:prev" in capsys.readouterr().out


def test_what_was_not_measured_is_not_shown_as_zero(
    filled_home: Home, versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    bare = replace(versions[1], name="me:2026-11-19-0000", metrics={}, created_s=1.0)
    opened(filled_home).registry.add(bare)
    assert run(["list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[3:5] == ["-", "-"]
