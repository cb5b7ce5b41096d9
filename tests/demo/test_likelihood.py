"""The margin of the right answers, on a version that was really trained."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.homes import ready_root, small_base_dir, trained_home, trained_root

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.demo.code_tasks import Task
from laimark_sidecar.demo.likelihood import exam_margin
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.workshop import Workshop, open_workshop

__all__ = ["ready_root", "small_base_dir", "trained_home", "trained_root"]


@pytest.fixture
def workshop(trained_home: Home) -> Workshop:
    return open_workshop(trained_home, clock=SystemClock())


@pytest.mark.slow
@pytest.mark.timeout(240)  # the first to ask pays for a real training
def test_what_was_learned_became_likelier_and_the_interval_says_how_surely(
    workshop: Workshop, tmp_path: Path
) -> None:
    with workshop.store() as store:
        learned = [item for item in store.items(split="train") if len(item.messages) == 1][:8]
    tasks = [Task(kind="complete", prompt=item.messages[0].content, answer=item.target) for item in learned]
    version = workshop.registry.versions()[0]
    margin = exam_margin(workshop, version, tasks, tmp_path / "scoring", report=lambda label, share: None)
    assert margin.n == len(tasks) > 0
    assert 0 < margin.low <= margin.mean <= margin.high
