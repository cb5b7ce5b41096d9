from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.errors import StateError
from laimark_sidecar.pipeline.folder import Closed, CycleFolder, Judgement, Plan, cycles, unfinished
from laimark_sidecar.validation.checks import Reason
from laimark_sidecar.validation.verdict import Verdict

PLAN = Plan(
    id="c", created_s=1.0, seed=2, parent="", base_sha256="f" * 64, sample_ids=("a", "b"), new_ids=("a",)
)
CLOSED = Closed(ending="rejected", version="", reason="worse", closed_s=3.0)
REASON = Reason(check="gain", passed=False, value=-1.0, threshold=0.0, text="worse")


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    cycle = CycleFolder(root=tmp_path / "c")
    assert (cycle.plan(), cycle.judgement(), cycle.closed()) == (None, None, None)
    judgement = Judgement(
        scale=0.5, verdict=Verdict(accepted=False, reasons=(REASON,), metrics={"gain": -1.0})
    )
    cycle.write_plan(PLAN)
    cycle.write_judgement(judgement)
    cycle.write_closed(CLOSED)
    assert (cycle.plan(), cycle.judgement(), cycle.closed()) == (PLAN, judgement, CLOSED)


def test_newest_planned_and_unclosed_cycle_is_the_unfinished_one(tmp_path: Path) -> None:
    assert unfinished(tmp_path / "nowhere") is None
    for name in ("1", "2", "3"):
        CycleFolder(root=tmp_path / name).write_plan(PLAN)
    CycleFolder(root=tmp_path / "3").write_closed(CLOSED)
    (tmp_path / "4").mkdir()
    (tmp_path / "stray file").touch()
    assert [cycle.id for cycle in cycles(tmp_path)] == ["1", "2", "3", "4"]
    found = unfinished(tmp_path)
    assert found is not None
    assert found.id == "2"


@pytest.mark.parametrize("content", [b"", b"{", b'{"id": "c"}', b"\xff"])
def test_damaged_record_names_its_file_and_the_way_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(StateError, match=r"plan\.json is damaged") as caught:
        CycleFolder(root=tmp_path).plan()
    assert str(tmp_path) in caught.value.hint


def test_each_scale_has_files_of_its_own(tmp_path: Path) -> None:
    cycle = CycleFolder(root=tmp_path)
    assert cycle.candidate(0.25).name == "candidate-0.25.gguf"
    assert cycle.evidence(1.0).name == "evidence-1.00.json"
