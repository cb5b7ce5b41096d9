from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.bench.conftest import small_stream

from laimark_sidecar.bench.core import core_of
from laimark_sidecar.bench.lab import Lab, set_up
from laimark_sidecar.bench.lessons import bare_items
from laimark_sidecar.bench.rejected import with_rejected
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import StateError


def laboratory(settings: Settings, base: Path, out: Path) -> Lab:
    """Return a laboratory on the demo base: one of random weights comes to no end of an answer."""
    settings = replace(settings, base=str(base))
    core = core_of(base, built=None)
    return set_up(settings, small_stream(), core, out, seed=0, clock=SystemClock(), say=lambda _text: None)


def test_wrong_answers_are_those_of_whoever_served_and_stay(
    settings: Settings, demo_base_dir: Path, tmp_path: Path
) -> None:
    lab = laboratory(settings, demo_base_dir, tmp_path)
    first = with_rejected(lab, 1, tmp_path)
    rejected = [question.rejected_ids for question in first.cycles[0]]
    assert any(rejected)
    for question in first.cycles[0]:
        answer = lab.text_of(question.rejected_ids).strip()
        assert answer != question.answer.strip()
    assert [bool(item.pair) for item in bare_items(first, first.cycles[0], "new")] == [*map(bool, rejected)]
    assert not any(question.rejected_ids for question in first.cycles[1])
    for layer in lab.backend.layers:
        layer.b_OR.data.fill_(0.5)
    second = with_rejected(lab, 2, tmp_path)
    assert [question.rejected_ids for question in second.cycles[0]] == rejected
    assert second.cycles[2] == lab.cycles[2]
    (tmp_path / "rejected-0001.json").write_bytes(b"[[1,")
    with pytest.raises(StateError, match=r"rejected-0001\.json is damaged"):
        with_rejected(lab, 2, tmp_path)
