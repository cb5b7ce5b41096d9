from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.training.conftest import JobMaker

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import TrainingError
from laimark_sidecar.training.job import Progress, TrainJob
from laimark_sidecar.training.worker.backend import PeftBackend, adapter_tensors
from laimark_sidecar.training.worker.batches import Shares
from laimark_sidecar.training.worker.budget import Budget
from laimark_sidecar.training.worker.checkpoint import Position
from laimark_sidecar.training.worker.loop import Anchors, Lessons, Loop
from laimark_sidecar.training.worker.losses import Item
from laimark_sidecar.training.worker.preference import ask_base, pair_of
from laimark_sidecar.training.worker.stop import StopFlag

ItemMaker = Callable[[int], tuple[Item, ...]]


def loop_of(
    job: TrainJob, backend: PeftBackend, items: tuple[Item, ...], *, told: list[Progress] | None = None
) -> Loop:
    plan = tuple(tuple(range(len(items))) for _ in range(job.steps))
    lessons = Lessons(items=items, plan=plan, shares=Shares(new=1.0, user=0.0, core=0.0), kl_items=())
    start = Position(job_digest="d", step=0, budget=Budget(lambda_core=1.0), losses=(), task_losses=())
    return Loop(
        job,
        backend,
        lessons,
        Anchors(core=None, user=None, references=()),
        start,
        stop=StopFlag(),
        emit=(told if told is not None else []).append,
        clock=SystemClock(),
    )


def test_how_a_step_is_split_does_not_move_it(make_job: JobMaker, make_items: ItemMaker) -> None:
    """Gradient accumulation must not multiply anything: the adapters agree to rounding."""
    adapters, losses = [], []
    for size in (1, 4):
        job = make_job(f"micro-{size}", steps=2, micro_batch_size=size, learning_rate=1e-4)
        backend = PeftBackend(job)
        position, _ = loop_of(job, backend, make_items(4)).run()
        losses.append(position.losses)
        adapters.append(adapter_tensors(backend.layers))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for name, tensor in adapters[0].items():
        torch.testing.assert_close(tensor, adapters[1][name], rtol=0.0, atol=1e-4)


def test_every_step_is_told(make_job: JobMaker, backend: PeftBackend, make_items: ItemMaker) -> None:
    told: list[Progress] = []
    loop_of(make_job(steps=3), backend, make_items(2), told=told).run()
    assert sorted({progress.step for progress in told}) == [0, 1, 2, 3]


def test_only_the_adapter_moves(make_job: JobMaker, backend: PeftBackend, make_items: ItemMaker) -> None:
    before = [parameter.clone() for layer in backend.layers for parameter in layer.linear.parameters()]
    loop_of(make_job(steps=2), backend, make_items(2)).run()
    after = [parameter for layer in backend.layers for parameter in layer.linear.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(bool(layer.b_OR.any()) for layer in backend.layers)


def test_a_loss_that_is_no_number_ends_the_job(
    make_job: JobMaker, backend: PeftBackend, make_items: ItemMaker
) -> None:
    items = tuple(replace(item, weight=float("nan")) for item in make_items(2))
    with pytest.raises(TrainingError, match="the loss of step 1 is nan"):
        loop_of(make_job(steps=2), backend, items).run()


def test_checkpoints_are_written_on_the_way(
    make_job: JobMaker, backend: PeftBackend, make_items: ItemMaker
) -> None:
    job = make_job(steps=4, checkpoint_every_steps=3)
    loop_of(job, backend, make_items(2)).run()
    assert sorted(path.name for path in Path(job.work_dir).iterdir()) == ["step-000003", "step-000004"]


def test_how_a_step_with_pairs_is_split_does_not_move_it(make_job: JobMaker, make_items: ItemMaker) -> None:
    items = tuple(
        replace(item, pair=pair_of(item.ids, 4, item.ids[-1:3:-1], max_length=64)) if number % 2 else item
        for number, item in enumerate(make_items(5))
    )
    adapters, losses = [], []
    for size in (1, 3, 8):
        job = make_job(f"paired-{size}", steps=2, micro_batch_size=size, learning_rate=1e-4)
        backend = PeftBackend(job)
        asked = ask_base(backend, items, batch_size=size, check=lambda: None)
        losses.append(loop_of(job, backend, asked).run()[0].losses)
        adapters.append(adapter_tensors(backend.layers))
    assert losses[0] == pytest.approx(losses[2], rel=1e-5)
    assert losses[1] == pytest.approx(losses[2], rel=1e-5)
    for name, tensor in adapters[0].items():
        torch.testing.assert_close(tensor, adapters[2][name], rtol=0.0, atol=1e-4)
