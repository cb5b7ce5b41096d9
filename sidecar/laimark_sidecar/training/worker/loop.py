"""The training loop: one step at a time, leavable between micro-batches, resumable to the last bit.

A step: gradient of the task (and of preferences, where they are learned) over its micro-batches, the penalties' gradients once, clip, AdamW. A position is the
number of steps done; whether KL is measured and a checkpoint written is a function of it, so a resumed run
measures and saves where an uninterrupted one does.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from laimark_sidecar.clock import Clock
from laimark_sidecar.errors import TrainingError
from laimark_sidecar.logs import action
from laimark_sidecar.training.job import Progress, TrainJob
from laimark_sidecar.training.worker.backend import TrainerBackend, adapter_tensors, set_adapter
from laimark_sidecar.training.worker.batches import Shares, micro_batches
from laimark_sidecar.training.worker.budget import is_measured_at, learning_rate, observe, user_factor
from laimark_sidecar.training.worker.checkpoint import (
    Checkpoint,
    Position,
    newest_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    write_checkpoint,
)
from laimark_sidecar.training.worker.curvature import Anchor
from laimark_sidecar.training.worker.distance import measure_kl
from laimark_sidecar.training.worker.layers import Layer
from laimark_sidecar.training.worker.losses import Item, PoolWeights, coefficients, collate
from laimark_sidecar.training.worker.penalty import (
    Penalty,
    Reference,
    add_gradients,
    gradient_norm,
    penalty,
)
from laimark_sidecar.training.worker.preference import (
    lengths,
    pair_coefficients,
    paired_loss,
    sequences,
    widths,
)
from laimark_sidecar.training.worker.stop import StopFlag, StopRequestedError

log = logging.getLogger(__name__)

_KL_OF_NOTHING = 0.01
"""More KL than this from an adapter that is still zero means that base and cached answers do not belong together."""


Penalise = Callable[[Sequence[Layer], Anchor, Sequence[Reference | None]], Penalty]
"""What is paid for being away from an anchor; `penalty`, or a baseline that it is measured against."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anchors:
    """The points that the penalty pulls to; either may be missing."""

    core: Anchor | None
    user: Anchor | None
    references: tuple[Reference, ...]
    """The user anchor's D*, layer by layer; empty without one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lessons:
    """What is learned from, in which order."""

    items: tuple[Item, ...]
    plan: tuple[tuple[int, ...], ...]
    """Indices into `items` of each step."""
    shares: Shares
    """What each pool's mean loss counts in a step that it occurs in; see `batches.step_shares`."""
    kl_items: tuple[Item, ...]
    """Core items that KL is measured on; never trained on where there are enough."""


class Loop:
    """One job's steps from where its newest checkpoint stands to the end."""

    def __init__(
        self,
        job: TrainJob,
        backend: TrainerBackend,
        lessons: Lessons,
        anchors: Anchors,
        start: Position,
        *,
        stop: StopFlag,
        emit: Callable[[Progress], None],
        clock: Clock,
        penalise: Penalise = penalty,
    ) -> None:
        self._job = job
        self._penalise = penalise
        self._backend = backend
        self._lessons = lessons
        self._anchors = anchors
        self._position = start
        self._stop = stop
        self._emit = emit
        self._clock = clock
        self._started_s = clock.monotonic_s()
        self._work_dir = Path(job.work_dir)
        self._names = [f"{layer.name}.{factor}" for layer in backend.layers for factor in layer.parameters]
        self._parameters = [p for layer in backend.layers for p in layer.parameters.values()]
        # No weight decay: pulling an adapter to zero is the core anchor's business, and it knows where it hurts.
        self._optimizer = torch.optim.AdamW(self._parameters, weight_decay=0.0, foreach=False)

    def run(self) -> tuple[Position, Literal["", "kl_stop"]]:
        """Train to the end, or to the hard stop of KL; return the position that the adapter is left at.

        Raises:
            StopRequestedError: a checkpoint of the last whole step was written.
            TrainingError: the loss is not finite, or the frozen base is not the one that was asked.
        """
        self._resume()
        try:
            return self._steps()
        except StopRequestedError:
            self._save()
            raise

    def _steps(self) -> tuple[Position, Literal["", "kl_stop"]]:
        steps = len(self._lessons.plan)
        while True:
            step = self._position.step
            if is_measured_at(step, steps=steps) and not self._position.is_measured:
                self._measure()
                if self._position.budget.kl_core > self._job.kl_stop:
                    self._roll_back()
                    return self._position, "kl_stop"
                self._save()
            if step == steps:
                return self._position, ""
            self._step(self._lessons.plan[step])
            if self._position.step % self._job.checkpoint_every_steps == 0:
                self._save()

    def _step(self, indices: Sequence[int]) -> None:
        job, position, items = self._job, self._position, self._lessons.items
        begun = self._clock.monotonic_s()
        rate = learning_rate(
            position.step,
            steps=len(self._lessons.plan),
            warmup_steps=job.warmup_steps,
            peak=job.learning_rate,
        )
        self._optimizer.param_groups[0]["lr"] = rate
        for parameter in self._parameters:
            parameter.grad = torch.zeros_like(parameter)
        task_loss = self._task_gradient([items[i] for i in indices])
        penalty_begun = self._clock.monotonic_s()
        penalty_nats = self._penalty_gradient()
        penalty_s = self._clock.monotonic_s() - penalty_begun
        loss = task_loss + penalty_nats
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss of step {position.step + 1} is {loss}",
                hint="lower learning_rate; the examples may be damaged",
            )
        torch.nn.utils.clip_grad_norm_(self._parameters, job.clip_norm, foreach=False)
        self._optimizer.step()
        self._position = replace(
            position,
            step=position.step + 1,
            losses=(*position.losses, loss),
            task_losses=(*position.task_losses, task_loss),
            seconds=position.seconds + self._clock.monotonic_s() - begun,
            penalty_seconds=position.penalty_seconds + penalty_s,
        )
        self._tell("train")

    def _task_gradient(self, items: Sequence[Item]) -> float:
        weights = PoolWeights(user=self._job.user_weight, core=self._job.core_weight)
        shares, job = self._lessons.shares, self._job
        factors = coefficients(items, shares, weights)
        pair_factors = pair_coefficients(items, shares, weights, job.preference_weight)
        total = 0.0
        for members in micro_batches(
            range(len(items)), lengths(items), size=job.micro_batch_size, widths=widths(items)
        ):
            self._stop.check()
            chosen = [items[i] for i in members]
            batch = collate(sequences(chosen), self._backend.device)
            logits_NV = batch.select(self._backend.logits(batch.ids_BT, batch.mask_BT, batch.kept_P))
            loss = paired_loss(
                logits_NV,
                batch,
                chosen,
                [factors[i] for i in members],
                [pair_factors[i] for i in members],
                beta=job.preference_beta,
            )
            torch.autograd.backward(loss)
            total += float(loss.detach())
        return total

    def _penalty_gradient(self) -> float:
        """Add both anchors' gradients; return their value in nats."""
        layers, anchors, total = self._backend.layers, self._anchors, 0.0
        task_norm = gradient_norm(self._parameters) if anchors.user is not None else 0.0
        factor = self._position.budget.factor
        if anchors.core is not None and factor > 0.0:
            measured = self._penalise(layers, anchors.core, [None] * len(layers))
            add_gradients(layers, measured, factor)
            total += factor * measured.omega
        if anchors.user is not None:
            measured = self._penalise(layers, anchors.user, anchors.references)
            scale = user_factor(
                share=self._job.lambda_user, task_norm=task_norm, penalty_norm=measured.grad_norm
            )
            add_gradients(layers, measured, scale)
            total += scale * measured.omega
        return total

    def _measure(self) -> None:
        layers, position = self._backend.layers, self._position
        kl = measure_kl(
            self._backend,
            self._lessons.kl_items,
            batch_size=self._job.micro_batch_size,
            check=self._stop.check,
        )
        if math.isnan(kl):
            kl = math.inf  # a broken model is as far from the base as can be; NaN would pass every comparison
        if position.step == 0 and not self._job.parent_adapter and kl > _KL_OF_NOTHING:
            raise TrainingError(
                f"KL to the base is {kl:.4f} before anything was learned: the training base {self._job.base_dir} "
                f"is not the one that gave the core answers in {self._job.cache_dir}",
                hint="delete that cache folder",
            )
        omega = 0.0
        if self._anchors.core is not None:
            omega = self._penalise(layers, self._anchors.core, [None] * len(layers)).omega
        budget = observe(position.budget, step=position.step, kl=kl, omega=omega, kl_soft=self._job.kl_soft)
        self._position = replace(position, budget=budget)
        if kl > self._job.kl_alarm:
            log.warning(
                "KL to the base is %.3f at step %d", kl, position.step, extra=action("train.kl_alarm")
            )
        self._tell("train")

    def _roll_back(self) -> None:
        found = newest_checkpoint(
            self._work_dir, self._position.job_digest, kl_below=self._job.kl_stop, at_most=self._position.step
        )
        if found is None:
            raise TrainingError(
                f"KL to the base is {self._position.budget.kl_core:.3f} at step {self._position.step}, above the hard "
                f"stop of {self._job.kl_stop}, and no earlier checkpoint was below it",
                hint="the parent has drifted too far: `laimark-sidecar use base`, then the next cycle begins afresh",
            )
        log.warning(
            "KL to the base is %.3f at step %d: back to step %d",
            self._position.budget.kl_core,
            self._position.step,
            found.position.step,
            extra=action("train.kl_stop"),
        )
        self._restore(found)

    def _resume(self) -> None:
        found = newest_checkpoint(self._work_dir, self._position.job_digest)
        if found is not None:
            self._restore(found)
            log.info("going on from step %d", found.position.step, extra=action("train.resume"))

    def _restore(self, found: Checkpoint) -> None:
        adapter = {name: tensor for name, tensor in found.tensors.items() if name.startswith("base_model.")}
        set_adapter(self._backend.layers, adapter, found.folder)
        restore_optimizer(self._optimizer, self._names, found.tensors)
        torch.set_rng_state(found.tensors["rng.cpu"])
        if self._backend.device.type == "cuda":
            torch.cuda.set_rng_state(found.tensors["rng.cuda"], self._backend.device)
        self._position = found.position

    def _save(self) -> None:
        tensors: dict[str, Tensor] = {
            **adapter_tensors(self._backend.layers),
            **optimizer_tensors(self._optimizer, self._names),
            "rng.cpu": torch.get_rng_state(),
        }
        if self._backend.device.type == "cuda":
            tensors["rng.cuda"] = torch.cuda.get_rng_state(self._backend.device)
        write_checkpoint(self._work_dir, self._position, tensors)

    def _tell(self, phase: Literal["train"]) -> None:
        position = self._position
        loss = position.losses[-1] if position.losses else 0.0
        task = position.task_losses[-1] if position.task_losses else 0.0
        self._emit(
            Progress(
                step=position.step,
                steps=len(self._lessons.plan),
                phase=phase,
                loss=loss,
                task_loss=task,
                penalty=loss - task,
                kl_core=position.budget.kl_core,
            )
        )
