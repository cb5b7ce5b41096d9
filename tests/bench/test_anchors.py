from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from laimark_sidecar.bench.anchors import anchor_path, core_anchor, first_budget, keep_old_anchor
from laimark_sidecar.bench.lab import Lab
from laimark_sidecar.bench.regularisers import regulariser
from laimark_sidecar.training.worker.backend import adapter_tensors, set_adapter

LabMaker = Callable[[Path], Lab]


def test_the_core_anchor_is_measured_at_the_base_and_leaves_the_adapter_as_it_was(
    make_lab: LabMaker, tmp_path: Path
) -> None:
    lab, rule = make_lab(tmp_path), regulariser("input")
    moved = {name: tensor + 1.0 for name, tensor in adapter_tensors(lab.backend.layers).items()}
    set_adapter(lab.backend.layers, moved, tmp_path)
    anchor = core_anchor(lab, rule, tmp_path)
    assert anchor.examples == len(lab.core_replay)
    left = adapter_tensors(lab.backend.layers)
    assert all(torch.equal(left[name], moved[name]) for name in moved)
    measured = anchor_path(tmp_path, 0).read_bytes()
    core_anchor(lab, rule, tmp_path)
    assert anchor_path(tmp_path, 0).read_bytes() == measured


def test_after_a_refusal_the_anchor_of_the_cycle_before_stands(tmp_path: Path) -> None:
    anchor_path(tmp_path, 1).write_bytes(b"accepted")
    anchor_path(tmp_path, 2).write_bytes(b"refused")
    keep_old_anchor(2, tmp_path)
    assert anchor_path(tmp_path, 2).read_bytes() == b"accepted"


def test_a_first_cycle_that_was_refused_leaves_no_anchor(tmp_path: Path) -> None:
    anchor_path(tmp_path, 1).write_bytes(b"refused")
    keep_old_anchor(1, tmp_path)
    assert not anchor_path(tmp_path, 1).exists()


def test_without_a_penalty_nothing_is_paid_for_distance() -> None:
    assert first_budget(None, None).lambda_core == 0.0
    assert first_budget(regulariser("input"), None).lambda_core == 1.0
