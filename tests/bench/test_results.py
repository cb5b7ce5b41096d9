from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from laimark_sidecar.bench.results import (
    FORMAT_VERSION,
    CellResult,
    Decision,
    cell_path,
    read_cell,
    read_cells,
    read_seen,
    write_cell,
    write_seen,
)
from laimark_sidecar.bench.scoring import Scores
from laimark_sidecar.decoding import NewerFormatError
from laimark_sidecar.errors import StateError

FIGURES = Scores(nll=(0.5, 1.5), right=(1.0, 0.25), exact=(1.0, 0.0), kl=(0.1, 0.2))
CELL = CellResult(
    seed=1,
    arm="gated",
    cycle=2,
    user="ada",
    prequential=FIGURES,
    similarity=(0.75,),
    greedy_exact=(0.0,),
    exams={"ada": FIGURES},
    core=FIGURES,
    core_gold=FIGURES,
    decision=Decision(accepted=False, scale=0.25, promotions=1, failed=("gain",), metrics={"gain": -0.1}),
)


def test_a_cell_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_cell(tmp_path / "gated", CELL)
    write_cell(tmp_path / "gated", replace(CELL, cycle=1))
    assert read_cell(tmp_path / "gated", 2) == CELL
    assert [cell.cycle for cell in read_cells(tmp_path / "gated")] == [1, 2]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"seed": "one"}'])
def test_a_damaged_cell_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    cell_path(tmp_path, 3).write_bytes(content)
    with pytest.raises(StateError, match=r"cycle-0003\.json is damaged") as caught:
        read_cells(tmp_path)
    assert caught.value.hint == f"delete {tmp_path} to run the arm again"


def test_a_cell_of_a_newer_program_is_not_guessed_at(tmp_path: Path) -> None:
    write_cell(tmp_path, replace(CELL, version=FORMAT_VERSION + 1))
    with pytest.raises(NewerFormatError):
        read_cell(tmp_path, 2)


def test_which_answers_were_seen_is_kept_by_user(tmp_path: Path) -> None:
    assert read_seen(tmp_path) == {}
    write_seen(tmp_path, {"ada": (True, False)})
    assert read_seen(tmp_path) == {"ada": (True, False)}


def test_damaged_notes_of_what_was_seen_are_told(tmp_path: Path) -> None:
    (tmp_path / "seen.json").write_bytes(b"[]")
    with pytest.raises(StateError, match=r"seen\.json is damaged"):
        read_seen(tmp_path)
