from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bench.conftest import small_stream

from laimark_sidecar.bench.arms import chosen
from laimark_sidecar.bench.course import claim, run_arm
from laimark_sidecar.bench.lab import Lab
from laimark_sidecar.bench.report import report
from laimark_sidecar.bench.results import arm_folder, seed_folder, write_seen
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.bench.stream import seen_answers
from laimark_sidecar.errors import DataError

LabMaker = Callable[[Path], Lab]


def test_a_report_tells_finished_arms_and_names_the_others(
    make_lab: LabMaker, settings: Settings, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    out, to = tmp_path / "run", tmp_path / "evidence"
    claim(out, settings)
    lab = make_lab(out)
    for arm in chosen("base,replay+input,replay"):
        run_arm(lab, arm, arm_folder(out, seed=0, arm=arm.name), say=lambda _text: None)
    (plain,) = chosen("plain")
    with pytest.raises(KeyboardInterrupt):
        run_arm(lab, plain, arm_folder(out, seed=0, arm="plain"), say=killed)
    write_seen(seed_folder(out, 0), seen_answers(small_stream()))
    _, summary = report(out, to=to)
    assert summary["unfinished"] == 1
    found = json.loads((to / "learning_3.json").read_text())
    assert [arm["arm"] for arm in found["arms"]] == ["base", "replay+input", "replay"]
    assert "personal_gain_seen" in found["arms"][1]["final"]
    assert found["unfinished"] == {"plain/0": 1}
    assert str(tmp_path) not in (to / "learning_3.json").read_text()
    assert "Not finished: plain/0 (1)." in (to / "learning_3.md").read_text()
    assert "| `replay+input` | 1 |" in (to / "learning_3.md").read_text()
    for plot in ("learning_3_tradeoff.png", "learning_3_curves.png"):
        assert (to / plot).stat().st_size > 1000


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run folder"):
        report(tmp_path, to=tmp_path)


def killed(_text: str) -> None:
    raise KeyboardInterrupt
