from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.bench.conftest import small_stream

from laimark_sidecar.bench.arms import Arm, chosen
from laimark_sidecar.bench.cells import adapter_path, run_cell
from laimark_sidecar.bench.course import claim, kept_stream, run_arm
from laimark_sidecar.bench.lab import Lab
from laimark_sidecar.bench.results import CellResult, Spent, cell_path, read_cells
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.files import write_atomic

LabMaker = Callable[[Path], Lab]
EVERY_KIND = "base,plain,replay+input,replay+l2,ewc_dense,ewc_ab,rag_inline,joint,gated"


def untimed(cells: tuple[CellResult, ...]) -> list[CellResult]:
    return [replace(cell, spent=Spent()) for cell in cells]


def killed(_text: str) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("arm", chosen(EVERY_KIND), ids=lambda arm: arm.name)
def test_a_run_that_was_cut_goes_on_and_ends_with_the_same_numbers(
    make_lab: LabMaker, tmp_path: Path, arm: Arm
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert run_arm(make_lab(tmp_path), arm, whole, say=lambda _text: None) == 3
    with pytest.raises(KeyboardInterrupt):
        run_arm(make_lab(tmp_path), arm, cut, say=killed)
    run_cell(make_lab(tmp_path), arm, 2, cut)  # and cut again, before the cell was written
    assert [cell.cycle for cell in read_cells(cut)] == [1]
    assert run_arm(make_lab(tmp_path), arm, cut, say=lambda _text: None) == 2
    assert untimed(read_cells(cut)) == untimed(read_cells(whole))


def test_finished_cells_are_never_computed_again(make_lab: LabMaker, tmp_path: Path) -> None:
    (arm,) = chosen("base")
    lab = make_lab(tmp_path)
    run_arm(lab, arm, tmp_path / "arm", say=lambda _text: None)
    before = cell_path(tmp_path / "arm", 1).stat().st_mtime_ns
    assert run_arm(lab, arm, tmp_path / "arm", say=killed) == 0
    assert cell_path(tmp_path / "arm", 1).stat().st_mtime_ns == before


def test_only_the_state_that_the_next_cell_needs_is_kept(make_lab: LabMaker, tmp_path: Path) -> None:
    (arm,) = chosen("replay+input")
    run_arm(make_lab(tmp_path), arm, tmp_path / "arm", say=lambda _text: None)
    kept = sorted(path.name for path in (tmp_path / "arm").glob("*.safetensors"))
    assert kept == ["adapter-0003.safetensors", "anchor-0000.safetensors", "anchor-0003.safetensors"]


def test_a_folder_of_other_settings_is_refused(settings: Settings, tmp_path: Path) -> None:
    claim(tmp_path, settings)
    claim(tmp_path, settings)
    with pytest.raises(DataError, match="other settings: steps 2, not 99"):
        claim(tmp_path, replace(settings, steps=99))


def test_tasks_stay_the_same_when_the_code_they_came_from_changes(settings: Settings, tmp_path: Path) -> None:
    write_atomic(tmp_path / "stream.json", msgspec.json.encode(small_stream()))
    assert kept_stream(settings, tmp_path, seed=0) == small_stream()


def test_a_damaged_stream_is_named_and_never_read_anew(settings: Settings, tmp_path: Path) -> None:
    write_atomic(tmp_path / "stream.json", b"{")
    with pytest.raises(StateError, match=r"stream\.json is damaged") as caught:
        kept_stream(settings, tmp_path, seed=0)
    assert f"delete {tmp_path}" in caught.value.hint


def test_a_cell_whose_adapter_is_gone_says_what_to_do(make_lab: LabMaker, tmp_path: Path) -> None:
    (arm,) = chosen("plain")
    folder = tmp_path / "arm"
    with pytest.raises(KeyboardInterrupt):
        run_arm(make_lab(tmp_path), arm, folder, say=killed)
    adapter_path(folder, 1).write_bytes(b"half an adapter")
    with pytest.raises(StateError, match=r"adapter-0001\.safetensors cannot be read") as caught:
        run_arm(make_lab(tmp_path), arm, folder, say=killed)
    assert f"delete {folder} " in caught.value.hint
