from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.bench.agenda import Due, Pace, cost_s, due
from laimark_sidecar.bench.arms import chosen
from laimark_sidecar.bench.results import arm_folder, cell_path
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.files import make_dir

SETTINGS = Settings(
    base="b", cycles=4, stay=2, tasks=40, exam=10, steps=5, batch=8, core_exam=20, core_replay=30, written=3
)
PACE = Pace(scored=1.0, trained=3.0, written=10.0)


def cost(name: str, cycle: int) -> float:
    return cost_s(SETTINGS, Due(seed=0, arm=chosen(name)[0], cycle=cycle), PACE)


def test_what_is_due_is_all_of_a_seed_before_the_next_without_what_is_there(tmp_path: Path) -> None:
    folder = make_dir(arm_folder(tmp_path, seed=0, arm="base"))
    cell_path(folder, 1).write_bytes(b"there")
    found = due(SETTINGS, chosen("base,joint"), tmp_path, seeds=2)
    assert [(one.seed, one.arm.name, one.cycle) for one in found] == [
        *[(0, "base", cycle) for cycle in (2, 3, 4)],
        *[(0, "joint", cycle) for cycle in (2, 4)],
        *[(1, "base", cycle) for cycle in (1, 2, 3, 4)],
        *[(1, "joint", cycle) for cycle in (2, 4)],
    ]


def test_a_cell_costs_what_it_scores_writes_and_trains() -> None:
    exam = 10 + 2 * 20
    assert cost("base", 1) == pytest.approx(40 + exam + 3 * 10)
    assert cost("plain", 1) - cost("base", 1) == pytest.approx(5 * 8 * 3)
    assert cost("plain", 3) - cost("plain", 2) == pytest.approx(10)


def test_what_never_changes_is_examined_once() -> None:
    assert cost("base", 2) == pytest.approx(40 + 3 * 10)
    assert cost("base", 3) - cost("base", 2) == pytest.approx(10)
    assert cost("few_shot", 3) > cost("few_shot", 2) > 4 * cost("base", 2) - 1


def test_the_oracle_grows_and_a_penalty_costs_its_measurement() -> None:
    assert cost("joint", 4) - cost("joint", 2) == pytest.approx(2 * 5 * 8 * 3 + 10)
    assert cost("input", 2) - cost("plain", 2) == pytest.approx(64 * 3)
    assert cost("input", 1) - cost("plain", 1) == pytest.approx((64 + 30) * 3)


def test_the_gate_costs_its_own_exam() -> None:
    assert cost("gated", 1) - cost("replay+input", 1) == pytest.approx(10 + 2 * (10 + 20 + 24))
