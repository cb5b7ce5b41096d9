from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from tests.bench.conftest import small_stream

from laimark_sidecar.bench.options import Asked, read
from laimark_sidecar.bench.results import arm_folder, read_cells
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.bench.work import duration, work
from laimark_sidecar.errors import DataError
from laimark_sidecar.files import make_dir
from laimark_sidecar.pipeline.benchmark import Event


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    """A run folder that nothing was run in: small settings, and users that are read in no time."""
    out = make_dir(tmp_path / "run")
    (out / "settings.json").write_bytes(msgspec.json.encode(settings))
    (make_dir(out / "seed-0") / "stream.json").write_bytes(msgspec.json.encode(small_stream()))
    return out


def asked(folder: Path, *more: str) -> Asked:
    return read(["--out", str(folder), "--arms", "replay", "--seeds", "1", *more])


def test_a_run_says_its_plan_and_its_time_then_every_cell_then_its_report(folder: Path) -> None:
    heard: list[Event] = []
    done = work(asked(folder), heard.append)
    assert [event.kind for event in heard] == ["plan", "plan", *["cell"] * (len(heard) - 2)]
    assert "6 cells to run: base, replay" in heard[0].text
    assert heard[1].text.endswith(" on this machine for 6 cells")
    cells = [event for event in heard if event.text.startswith("seed 0")]
    assert len(cells) == 6
    assert cells[-1].share == pytest.approx(1.0)
    assert [one.share for one in cells] == sorted(one.share for one in cells)
    assert done.kind == "done"
    assert {row[0] for row in done.rows} == {"base", "replay"}
    assert json.loads(done.summary)["report"] == str(folder / "learning_3.json")
    heard.clear()
    again = work(read(["--out", str(folder)]), heard.append)
    assert [event.kind for event in heard] == ["plan"]
    assert "0 cells to run: base, replay" in heard[0].text
    assert again.rows == done.rows


def test_a_dry_run_learns_nothing(folder: Path) -> None:
    heard: list[Event] = []
    done = work(asked(folder, "--dry-run"), heard.append)
    assert done.text == "nothing was run"
    assert heard[-1].kind == "plan"
    assert read_cells(arm_folder(folder, seed=0, arm="base")) == ()


def test_other_settings_than_those_of_the_folder_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="other settings: steps 2, not 5"):
        work(asked(folder, "--steps", "5"), lambda _event: None)


def test_arms_with_a_wide_core_need_one(folder: Path) -> None:
    with pytest.raises(DataError, match=r"replay\+core: there is no wide core"):
        work(read(["--out", str(folder), "--arms", "replay+core"]), lambda _event: None)


def test_a_guess_is_never_more_precise_than_a_guess() -> None:
    assert [duration(s) for s in (5, 600, 12_600)] == ["a minute", "10 minutes", "3.5 hours"]
