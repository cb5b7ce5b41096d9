"""`laimark-sidecar bench`: what it asks its process for, and how its outcome is shown. A real process: tests/pipeline."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home, modelfiles
from laimark_sidecar.pipeline import benchmark
from laimark_sidecar.pipeline.benchmark import Event

DONE = Event(
    kind="done",
    text="report: /runs/one/learning_2.json",
    columns=("arm", "score"),
    rows=(("replay", "0.6000"), ("base", "0.5000")),
    summary='{"unfinished": 0}',
)
EVENTS = (Event(kind="plan", text="2 ways to learn"), Event(kind="cell", text="seed 0 base", share=0.5))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let every benchmark end at once; holds what its process was asked for."""
    arguments: list[str] = []

    def run_benchmark(python: str, given: Sequence[str], *, on_event: Callable[[Event], None]) -> Event:
        arguments[:] = given
        for event in EVENTS:
            on_event(event)
        return DONE

    monkeypatch.setattr(benchmark, "run_benchmark", run_benchmark)
    return arguments


def value(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def test_it_works_without_a_home_on_the_demo_base(
    fresh_home: Home, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "--cycles", "2", "--arms", "replay", "--core-exam", "5"]) == 0
    assert value(asked, "--base") == str(modelfiles() / "demo_base")
    assert value(asked, "--runs") == str(fresh_home.root / "bench")
    assert (value(asked, "--cycles"), value(asked, "--arms"), value(asked, "--core-exam")) == (
        "2",
        "replay",
        "5",
    )
    assert "--seeds" not in asked
    out, err = capsys.readouterr()
    assert "report: /runs/one/learning_2.json" in out
    assert "replay   0.6000" in out
    assert "2 ways to learn\n 50% seed 0 base\n" in err
    assert not fresh_home.root.exists()


def test_json_is_the_summary_alone(
    fresh_home: Home, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"unfinished": 0}


def test_a_folder_that_is_gone_on_with_keeps_its_base(
    fresh_home: Home, asked: list[str], tmp_path: Path
) -> None:
    assert run(["bench", "--out", str(tmp_path)]) == 0
    assert "--base" in asked
    (tmp_path / "settings.json").write_text("{}")
    assert run(["bench", "--out", str(tmp_path)]) == 0
    assert "--base" not in asked


def test_a_report_reads_a_folder_and_needs_one(
    fresh_home: Home, asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "--report"]) == 2
    assert "--report needs the run folder" in capsys.readouterr().err
    assert run(["bench", "--report", "--out", str(tmp_path)]) == 0
    assert value(asked, "--report") == str(tmp_path)
    assert "--base" not in asked


def test_stopped_it_says_how_to_go_on(
    fresh_home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "run_benchmark", lambda *_args, **_options: None)
    assert run(["bench"]) == 75
    assert "hint: the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize("options", [("--cycles", "1"), ("--seeds", "0"), ("--device", "tpu")])
def test_a_benchmark_that_could_show_nothing_is_wrong_usage(options: tuple[str, ...]) -> None:
    assert run(["bench", *options]) == 2
