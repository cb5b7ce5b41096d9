"""`laimark-sidecar demo`: what it refuses, and how its outcome is shown. A whole run takes minutes: scripts/demo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from laimark_sidecar.cli import run
from laimark_sidecar.demo import play as demo
from laimark_sidecar.demo.claims import Claim
from laimark_sidecar.demo.report import Row

OPTIONS = ("--rounds", "2", "--asks", "60", "--exam", "20")


def stage_outcome(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, holds: bool) -> None:
    """Let the demo end at once with this outcome."""
    outcome = demo.Play(
        home=tmp_path,
        tuned_name="me:latest",
        headline="2 sessions",
        rows=(Row(what="exact match", base="10.0%", tuned="20.0%", gain="+10.0 points"),),
        claims=(Claim(text="it learns", holds=holds, seen="+10.0 points"),),
        picture=None,
        summary={"seconds": 1.0},
    )

    def played(**settings: object) -> demo.Play:
        return outcome

    monkeypatch.setattr(demo, "play", played)


@pytest.mark.parametrize("options", [("--asks", "5"), ("--rounds", "1"), ("--exam", "0")])
def test_a_demo_that_could_show_nothing_is_wrong_usage(options: tuple[str, ...]) -> None:
    assert run(["demo", *options]) == 2


def test_too_little_code_is_said_before_anything_is_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.py").write_text("x = 1\n" * 30)
    assert run(["demo", "--code", str(tmp_path), "--out", str(tmp_path / "out"), *OPTIONS]) == 4
    assert "hint: give a folder with at least a few thousand lines" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_home_that_is_there_is_not_played_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    monkeypatch.setenv("LAIMARK_HOME", "")  # so that what --home sets ends with the test
    assert run(["--home", str(out), "init", "--yes"]) == 0
    before = (out / "config.toml").read_bytes()
    assert run(["demo", "--out", str(out), *OPTIONS]) == 5
    assert "holds a home already" in capsys.readouterr().err
    assert (out / "config.toml").read_bytes() == before


def test_the_outcome_is_a_table_and_the_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage_outcome(monkeypatch, tmp_path, holds=True)
    assert run(["demo"]) == 0
    out = capsys.readouterr().out
    assert "2 sessions" in out
    assert ["exact", "match", "10.0%", "20.0%", "+10.0", "points"] in [
        line.split() for line in out.splitlines()
    ]
    assert "✓ it learns: +10.0 points\n" in out


def test_json_alone_is_on_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage_outcome(monkeypatch, tmp_path, holds=True)
    assert run(["demo", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"seconds": 1.0}
    assert "✓ it learns" in err


def test_a_claim_that_does_not_hold_fails_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage_outcome(monkeypatch, tmp_path, holds=False)
    assert run(["demo"]) == 11
    out, err = capsys.readouterr()
    assert "✗ it learns" in out
    assert f"error: 1 claims do not hold: it learns\nhint: logs: {tmp_path}/logs\n" in err
