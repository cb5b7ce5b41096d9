"""`laimark-sidecar status`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.homes import IDIOM, only_version, opened, plan_with_result, reconfigure, served

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("status")


def test_a_home_at_rest(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status"]) == 0
    out, err = capsys.readouterr()
    assert f"home      {filled_home.root}\n" in out
    assert "serving   me:latest -> base   (before: base)\n" in out
    assert "runner    not reachable" in out
    assert "daemon    not running" in out
    assert "buffer    6 items" in out
    assert "cycles    0 ended; last: none" in out
    assert IDIOM not in out + err


def test_json_has_the_same_for_scripts(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["items"], found["runner_reachable"], found["latest"]) == (6, False, "")
    assert found["new_items"] + found["heldout"] == 6


def test_what_waits_in_quarantine_and_what_is_lacking_is_said(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status"]) == 0
    assert "in quarantine until" not in capsys.readouterr().out
    reconfigure(filled_home, "replay", quarantine_hours=24.0, heldout_share=0.2)
    reconfigure(filled_home, "gate", min_items=8)
    assert run(["status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["new_items"], found["quarantined"]) == (0, 6 - found["heldout"])
    assert run(["status"]) == 0
    out = capsys.readouterr().out
    assert (
        f", 0 ready to learn, {found['quarantined']} wait in quarantine until {found['quarantine_until']}, "
        in out
    )
    assert "lacking   0 of 8 held-out examples to judge a version by" in out
    assert "about 40 corrections" in out


def test_an_interrupted_cycle_and_why_nothing_is_recorded_are_told(
    ready_home: Home, trained_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, cycle = plan_with_result(ready_home, trained_root)
    reconfigure(ready_home, "journal", record=False)
    assert run(["status"]) == 0
    out = capsys.readouterr().out
    assert f"open      cycle {cycle.id}, begun 20" in out
    assert "laimark-sidecar train --now\n" in out
    assert "recording off (journal.record is false)   learning on\n" in out


def test_what_waits_for_the_user_is_named_with_its_command(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    name = only_version(opened(trained_home)).name
    assert run(["status"]) == 0
    assert f"laimark-sidecar promote {name}" in capsys.readouterr().out


def test_a_latest_that_was_made_for_another_base_is_no_answer(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    other = replace(version, name="me:2026-11-22-fff1", base=replace(version.base, sha256="f" * 64))
    workshop.registry.add(other)
    workshop.registry.set_refs({"latest": other.name}, reason="test")
    assert run(["status"]) == 0
    out = capsys.readouterr().out
    assert f"serving   me:latest -> base, not {other.name}   (before: base)\n" in out
    assert "warning   me:latest is me:2026-11-22-fff1, made for base ffffffffffff" in out
    assert run(["status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["latest"], found["answering"]) == (other.name, "")
    assert "the base answers" in found["warnings"][0]


def test_a_running_runner_is_seen(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with served(opened(filled_home)) as url:
        assert run(["status"]) == 0
    out = capsys.readouterr().out
    assert f"runner    embedded at {url}, idle" in out


def test_debug_logs_and_results_never_mix_and_never_hold_a_prompt(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--verbose", "--log-format", "json", "status", "--json"]) == 0
    out, err = capsys.readouterr()
    json.loads(out)
    assert all(json.loads(line)["action"] for line in err.splitlines())
    assert IDIOM not in err
    assert "Complete the code" not in err
