"""`laimark-sidecar core`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from laimark_sidecar.cli import run
from laimark_sidecar.errors import LockedError
from laimark_sidecar.files import exclusive
from laimark_sidecar.paths import Home


@pytest.mark.parametrize("arguments", [("build",), ("show",)])
def test_needs_a_home(without_home: Callable[..., None], arguments: tuple[str, ...]) -> None:
    without_home("core", *arguments)


def test_a_dry_run_counts_and_changes_nothing(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["core", "show", "--json"]) == 0
    before = json.loads(capsys.readouterr().out)
    assert run(["core", "build", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["shipped"] > 100
    assert found["own"] == 0  # every conversation here brought a lesson
    assert run(["core", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == before


def test_what_was_built_is_shown(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["core", "build"]) == 0
    assert "written to" in capsys.readouterr().out
    assert run(["core", "show"]) == 0
    assert capsys.readouterr().out.startswith("built for this base on 20")
    assert run(["core", "show", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["origin"] == "built"
    assert len(found["digest"]) == 16
    assert found["age_s"] < 3600


def test_the_answers_are_made_at_once_where_that_is_wanted(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["core", "build", "--own", "0", "--answers"]) == 0
    out, err = capsys.readouterr()
    assert "8 answers of the base are cached" in out + err  # as many as training.core_prompts here
    assert len(list(filled_home.bases.glob("*/core-answers/*"))) == 8


def test_the_answers_are_not_made_beside_the_daemon(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    with exclusive(filled_home.daemon_lock, "the daemon"):
        assert run(["core", "build", "--answers"]) == LockedError.exit_code
    assert "the daemon" in capsys.readouterr().err
    assert not filled_home.core.exists()
