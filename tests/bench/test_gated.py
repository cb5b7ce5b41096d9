from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from laimark_sidecar.bench.arms import chosen
from laimark_sidecar.bench.cells import adapter_path, run_cell
from laimark_sidecar.bench.gated import decide, held_out, taught
from laimark_sidecar.bench.lab import Lab
from laimark_sidecar.training.worker.backend import adapter_tensors, set_adapter

LabMaker = Callable[[Path], Lab]


def wide(lab: Lab) -> Lab:
    """Return the laboratory with enough of everything to be judged by, and with a prompt held out in each cycle."""
    questions = [question for cycle in lab.cycles for question in cycle] * 8
    return replace(
        lab,
        cycles=tuple(tuple(questions) for _ in lab.cycles),
        core_gold=lab.core_gold * 12,
        core_watched=lab.core_watched * 4,
    )


def moved(lab: Lab, size: float) -> None:
    """Leave the backend with an adapter that is `size` away from the base in every entry of B."""
    random = torch.Generator().manual_seed(0)
    tensors = adapter_tensors(lab.backend.layers)
    for name, tensor in tensors.items():
        if ".lora_B." in name:
            tensor.copy_(size * torch.randn(tensor.shape, generator=random))
    set_adapter(lab.backend.layers, tensors, Path("test"))


def test_a_held_out_task_is_never_taught(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = wide(make_lab(tmp_path))
    kept, judged = taught(lab).cycles, held_out(lab, 1)
    assert len(kept[0]) + len(judged) == len(lab.cycles[0])
    assert len(judged) == len(lab.cycles[0]) // 4


def test_the_newest_held_out_tasks_come_first(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    lab = replace(lab, cycles=tuple((*cycle, cycle[0]) for cycle in lab.cycles))
    assert held_out(lab, 3) == tuple(cycle[3] for cycle in reversed(lab.cycles))


def test_a_damaged_candidate_is_refused_and_what_served_is_left(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = wide(make_lab(tmp_path))
    before = adapter_tensors(lab.backend.layers)
    moved(lab, 3.0)
    decision = decide(lab, 1, before, promotions=0)
    assert not decision.accepted
    assert decision.promotions == 0
    assert "gain" in decision.failed
    left = adapter_tensors(lab.backend.layers)
    assert all(torch.equal(left[name], before[name]) for name in before)


def test_a_refused_cycle_leaves_the_adapter_of_before(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = wide(make_lab(tmp_path))
    lab = replace(lab, settings=replace(lab.settings, learning_rate=5.0))
    (arm,) = chosen("gated")
    result = run_cell(lab, arm, 1, tmp_path / "arm")
    assert result.decision is not None
    assert not result.decision.accepted
    left = load_file(adapter_path(tmp_path / "arm", 1))
    assert all(torch.equal(left[name], lab.backend.fresh[name]) for name in left)


def test_a_candidate_that_learned_is_accepted_and_counted(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = wide(make_lab(tmp_path))
    lab = replace(lab, settings=replace(lab.settings, learning_rate=0.01, steps=20))
    (arm,) = chosen("gated")
    result = run_cell(lab, arm, 1, tmp_path / "arm")
    assert result.decision is not None
    assert result.decision.accepted, result.decision
    assert result.decision.promotions == 1
    assert result.decision.metrics["gain"] > 0


def test_a_candidate_worse_than_what_serves_is_refused(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = wide(make_lab(tmp_path))
    lab = replace(lab, settings=replace(lab.settings, learning_rate=0.01, steps=20))
    run_cell(lab, chosen("gated")[0], 1, tmp_path / "arm")
    good = load_file(adapter_path(tmp_path / "arm", 1))
    set_adapter(lab.backend.layers, lab.backend.fresh, tmp_path)
    decision = decide(lab, 1, good, promotions=1)
    assert not decision.accepted
    assert "previous" in decision.failed
