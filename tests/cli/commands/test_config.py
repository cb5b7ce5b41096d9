"""`laimark-sidecar config`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from laimark_sidecar.cli import run
from laimark_sidecar.config.schema import all_keys


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAIMARK_HOME", str(tmp_path))
    return tmp_path / "config.toml"


def test_path_prints_the_path_even_if_nothing_is_there(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "path"]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    assert not file.exists()
    assert run(["config", "path", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == str(file)


def test_show_tells_value_and_origin_of_every_key(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("[training]\nsteps = 5\n")
    monkeypatch.setenv("LAIMARK_TRAINING_RANK", "4")
    assert run(["config", "show", "--json"]) == 0
    lines = {line["key"]: line for line in json.loads(capsys.readouterr().out)}
    assert list(lines) == [key.path for key in all_keys()]
    assert (lines["training.steps"]["value"], lines["training.steps"]["origin"]) == (5, "file")
    assert (lines["training.rank"]["value"], lines["training.rank"]["origin"]) == (4, "environment")
    assert lines["training.seed"]["origin"] == "default"


def test_show_is_a_table_for_people(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "show"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["training.steps", "60", "default"] in [row[:3] for row in rows]
    assert ["journal.record", "true", "default"] in [row[:3] for row in rows]


def test_check_counts_what_differs(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("[training]\nsteps = 5\nrank = 16\n")
    assert run(["config", "check"]) == 0
    assert f"{file}: valid, 1 of {len(all_keys())} keys differ" in capsys.readouterr().out


def test_check_says_when_there_is_no_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "check"]) == 0
    assert "no such file" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["[training]\nstep = 5\n", "[training]\nmicro_batch_size = 3\n"])
def test_check_refuses_with_status_3(file: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    file.write_text(text)
    assert run(["config", "check"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {file}:")
