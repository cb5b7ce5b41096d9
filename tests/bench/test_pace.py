from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from laimark_sidecar.bench.lab import Lab
from laimark_sidecar.bench.pace import measured
from laimark_sidecar.training.worker.backend import adapter_tensors

LabMaker = Callable[[Path], Lab]


def test_the_pace_is_measured_without_learning_anything(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    pace = measured(lab)
    assert min(pace.scored, pace.trained, pace.written) > 0.0
    left = adapter_tensors(lab.backend.layers)
    assert all(torch.equal(left[name], lab.backend.fresh[name]) for name in left)
    assert all(layer.b_OR.grad is None for layer in lab.backend.layers)
