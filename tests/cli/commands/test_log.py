"""`laimark-sidecar log`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.support.homes import only_version, opened

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.folder import Closed, CycleFolder
from laimark_sidecar.registry.version import Version


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("log")


def test_nothing_moved_yet(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["log"]) == 0
    assert capsys.readouterr().out == "nothing has been promoted yet\n"


def test_every_move_is_shown_newest_first_with_its_reason(
    filled_home: Home, versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    newer, older = versions
    registry = opened(filled_home).registry
    registry.set_refs({"latest": older.name}, reason="cycle one")
    registry.set_refs({"latest": newer.name, "prev": older.name}, reason="cycle two")
    assert run(["log"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[1:4] for row in rows] == [
        ["me:latest", older.name, newer.name],
        ["me:prev", "base", older.name],
        ["me:latest", "base", older.name],
    ]
    assert [" ".join(row[4:6]) for row in rows] == ["cycle two", "cycle two", "cycle one"]
    assert run(["log", "--json"]) == 0
    assert [entry["reason"] for entry in json.loads(capsys.readouterr().out)] == ["cycle two", "cycle one"]


def test_a_name_that_was_not_there_came_from_nowhere(
    filled_home: Home, versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    newer, _ = versions
    registry = opened(filled_home).registry
    for target in ("", newer.name, None, newer.name):
        registry.set_refs({"work": target}, reason="test")
    assert run(["log"]) == 0
    rows = [line.split()[1:4] for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows == [
        ["me:work", "-", newer.name],
        ["me:work", newer.name, "removed"],
        ["me:work", "base", newer.name],
        ["me:work", "-", "base"],
    ]


def test_every_decision_about_a_candidate_is_shown_with_its_reason(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    version = only_version(opened(trained_home))
    refused = CycleFolder(root=trained_home.cycles / "20300101T000000")
    refused.root.mkdir()
    refused.write_closed(
        Closed(ending="rejected", version="", reason="the core lost 0.2 nats", closed_s=1_893_456_000.0)
    )
    assert run(["log", "--cycles"]) == 0
    newest, oldest = capsys.readouterr().out.splitlines()[2:4]
    assert "rejected" in newest
    assert "the core lost 0.2 nats" in newest
    assert version.name in oldest
    assert run(["log", "--cycles", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [one["closed"]["ending"] for one in shown] == ["rejected", "awaiting-review"]


def test_a_home_without_cycles_says_so(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["log", "--cycles"]) == 0
    assert capsys.readouterr().out == "no cycle has ended yet\n"
