from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from laimark_sidecar.bench.arms import chosen
from laimark_sidecar.bench.cells import run_cell
from laimark_sidecar.bench.lab import Lab

LabMaker = Callable[[Path], Lab]


def test_the_base_is_scored_without_any_lesson_in_it(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    plain, base = chosen("plain")[0], chosen("base")[0]
    fresh = run_cell(lab, base, 1, tmp_path / "base")
    run_cell(lab, plain, 1, tmp_path / "plain")
    again = run_cell(lab, base, 1, tmp_path / "base")
    assert again.exams == fresh.exams
    assert max(again.core.kl) < 1e-5


def test_tasks_are_scored_before_they_are_learned(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    lab = replace(lab, settings=replace(lab.settings, learning_rate=0.05))
    plain, base = chosen("plain")[0], chosen("base")[0]
    learned, frozen = run_cell(lab, plain, 1, tmp_path / "plain"), run_cell(lab, base, 1, tmp_path / "base")
    assert learned.prequential.nll == pytest.approx(frozen.prequential.nll, abs=1e-4)
    assert fmean(learned.exams["ada"].nll) < fmean(frozen.exams["ada"].nll)


def test_only_users_who_have_come_are_examined(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    (base,) = chosen("base")
    assert list(run_cell(lab, base, 1, tmp_path / "base").exams) == ["ada"]
    assert list(run_cell(lab, base, 2, tmp_path / "base").exams) == ["ada", "bob"]


def test_the_oracle_takes_the_steps_of_all_cycles_so_far(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    joint, fresh = chosen("joint")[0], chosen("fresh")[0]
    assert len(run_cell(lab, joint, 3, tmp_path / "joint").losses) == 3 * lab.settings.steps
    assert len(run_cell(lab, fresh, 3, tmp_path / "fresh").losses) == (
        lab.settings.fresh_factor * lab.settings.steps
    )


def test_exams_are_held_when_they_are_due_and_at_the_end(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    lab = replace(lab, settings=replace(lab.settings, exam_every=2))
    (base,) = chosen("base")
    cells = [run_cell(lab, base, cycle, tmp_path / "base") for cycle in (1, 2, 3)]
    assert [bool(cell.exams) for cell in cells] == [False, True, True]
    assert [bool(cell.core.nll) for cell in cells] == [False, True, True]
    assert all(cell.prequential.nll for cell in cells)


def test_every_arm_writes_to_the_same_tasks_though_some_are_held_out(
    make_lab: LabMaker, tmp_path: Path
) -> None:
    lab = make_lab(tmp_path)
    tasks = tuple(question for cycle in lab.cycles for question in cycle)
    lab = replace(
        lab, cycles=(tasks,), settings=replace(lab.settings, written=len(tasks), learning_rate=1e-9)
    )
    gated, base = chosen("gated")[0], chosen("base")[0]
    judged, frozen = run_cell(lab, gated, 1, tmp_path / "gated"), run_cell(lab, base, 1, tmp_path / "base")
    assert len(judged.similarity) == len(judged.styles) == len(tasks)
    assert judged.similarity == frozen.similarity
