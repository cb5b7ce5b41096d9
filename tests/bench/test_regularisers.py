from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from laimark_sidecar.bench.arms import Metric, available
from laimark_sidecar.bench.lab import Lab
from laimark_sidecar.bench.lessons import bare_items
from laimark_sidecar.bench.regularisers import regulariser

LabMaker = Callable[[Path], Lab]


@pytest.mark.parametrize("metric", sorted({arm.metric for arm in available() if arm.metric is not None}))
def test_an_anchor_pays_the_same_after_it_was_kept(
    make_lab: LabMaker, tmp_path: Path, metric: Metric
) -> None:
    lab = make_lab(tmp_path)
    rule = regulariser(metric)
    anchor = rule.measure(lab.backend, bare_items(lab, lab.core_replay, "core"), seed=0)
    rule.save(tmp_path / "anchor", replace(anchor, nats_per_omega=0.25, lambda_core=3.0))
    kept = rule.load(tmp_path / "anchor", lab.backend.device)
    assert (kept.nats_per_omega, kept.lambda_core) == (0.25, 3.0)
    layers = lab.backend.layers
    with torch.no_grad():
        for layer in layers:
            layer.b_OR.fill_(0.1)
    nowhere = [None] * len(layers)
    assert rule.penalise(layers, kept, nowhere).omega == rule.penalise(layers, anchor, nowhere).omega > 0.0


def test_l2_is_half_the_squared_length_of_the_update(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    layers, rule = lab.backend.layers, regulariser("l2")
    with torch.no_grad():
        for layer in layers:
            layer.b_OR.fill_(0.1)
        length = sum(float((layer.scale * layer.b_OR @ layer.a_RD).square().sum()) for layer in layers)
    anchor = rule.measure(lab.backend, (), seed=0)
    assert rule.penalise(layers, anchor, [None] * len(layers)).omega == pytest.approx(length / 2, rel=1e-3)
