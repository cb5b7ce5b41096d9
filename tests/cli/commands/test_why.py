"""`laimark-sidecar why`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.support.homes import IDIOM, only_version, opened

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("why")


def test_reasons_and_lessons_of_a_version_are_shown(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    version = only_version(opened(trained_home))
    assert run(["why", version.name, "--limit", "3"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{version.name}: begins at the base, made by cycle {version.cycle}")
    assert "  ✓ " in out
    assert f"{len(version.sample_ids)} lessons ({len(version.sample_ids)} new, 0 seen before)" in out
    assert out.count(IDIOM[:20]) == 3
    assert run(["why", version.name, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {one["id"] for one in shown["lessons"]} == set(version.sample_ids)


def test_lesson_that_was_forgotten_is_shown_without_its_words(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    with workshop.store() as store:
        store.oblivion.remove(version.sample_ids)
    assert run(["why", version.name]) == 0
    out = capsys.readouterr().out
    assert "forgotten" in out
    assert IDIOM not in out
