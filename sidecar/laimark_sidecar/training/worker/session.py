"""One job from start to result: load, ask the base, set the anchors, train, measure the curvature, publish."""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from laimark_sidecar.clock import Clock
from laimark_sidecar.errors import TrainingError
from laimark_sidecar.logs import action
from laimark_sidecar.training.job import Progress, TrainJob
from laimark_sidecar.training.jobfile import read_examples
from laimark_sidecar.training.worker.averaging import average
from laimark_sidecar.training.worker.backend import PeftBackend, TrainerBackend
from laimark_sidecar.training.worker.budget import Budget
from laimark_sidecar.training.worker.checkpoint import Position, job_digest
from laimark_sidecar.training.worker.curvature import (
    Anchor,
    anchor_kind,
    blend_anchors,
    compacted,
    load_anchor,
    save_anchor,
)
from laimark_sidecar.training.worker.fisher import measure
from laimark_sidecar.training.worker.lessons import compose, core_items, lesson_items
from laimark_sidecar.training.worker.loop import Anchors, Lessons, Loop
from laimark_sidecar.training.worker.losses import Item
from laimark_sidecar.training.worker.penalty import Reference
from laimark_sidecar.training.worker.rendering import rendering_sha256
from laimark_sidecar.training.worker.result import write_result
from laimark_sidecar.training.worker.stop import StopFlag
from laimark_sidecar.training.worker.tokens import ChatTokenizer

log = logging.getLogger(__name__)

CURVATURE_EXAMPLES = 64
"""At most this many of a cycle's lessons go into the user anchor: a covariance settles long before."""
CORE_ANCHOR_EXAMPLES = 512


def run(job: TrainJob, *, stop: StopFlag, emit: Callable[[Progress], None], clock: Clock) -> None:
    """Run the job and publish its result folder; a second run of a finished job publishes the same again.

    Raises:
        StopRequestedError: asked to yield; run again to go on.
        TrainingError: nothing was published.
    """
    examples = read_examples(Path(job.examples))
    tokenizer = ChatTokenizer(Path(job.base_dir), prompts=job.prompts)
    found = lesson_items(tokenizer, examples, max_length=job.max_length)
    backend = PeftBackend(job)
    core = core_items(job, backend, tokenizer, examples, emit)
    emit(Progress(step=0, steps=job.steps, phase="anchor"))
    anchors = Anchors(core=_core_anchor(job, backend, core), user=_user_anchor(job, backend), references=())
    rendering = rendering_sha256(tokenizer.tokens, tokenizer.template)
    if job.steps == 0:
        _publish_nothing(job, backend, rendering, emit)
        return
    lessons = compose(job, found, core)
    before = _here(backend) if job.parent_adapter else ()
    if anchors.user is not None:
        anchors = replace(anchors, references=before)
    start = Position(
        job_digest=job_digest(job), step=0, budget=_first_budget(job, anchors.user), losses=(), task_losses=()
    )
    stop.defer()
    loop = Loop(job, backend, lessons, anchors, start, stop=stop, emit=emit, clock=clock)
    position, stopped = loop.run()
    left_out = average(backend.layers, before, keep=job.average) if job.average and before else 0.0
    emit(Progress(step=position.step, steps=job.steps, phase="curvature", kl_core=position.budget.kl_core))
    curvature = _next_user_anchor(job, backend, lessons, anchors.user, position.budget, stop)
    write_result(
        job,
        backend,
        position,
        curvature,
        stopped=stopped,
        average_left_out=left_out,
        peak_memory_bytes=peak_memory_bytes(backend.device),
        rendering_sha256=rendering,
    )
    emit(
        Progress(
            step=position.step,
            steps=job.steps,
            phase="done",
            loss=position.losses[-1] if position.losses else 0.0,
            kl_core=position.budget.kl_core,
            message=stopped,
        )
    )


def _publish_nothing(
    job: TrainJob, backend: TrainerBackend, rendering: str, emit: Callable[[Progress], None]
) -> None:
    """Publish the result of no steps: what the job was for lies in the cache."""
    write_result(
        job,
        backend,
        Position(
            job_digest=job_digest(job), step=0, budget=_first_budget(job, None), losses=(), task_losses=()
        ),
        None,
        stopped="",
        peak_memory_bytes=peak_memory_bytes(backend.device),
        rendering_sha256=rendering,
    )
    emit(Progress(step=0, steps=0, phase="done"))


def _core_anchor(job: TrainJob, backend: TrainerBackend, core: tuple[Item, ...]) -> Anchor | None:
    """Return the curvature at D = 0: measured once for a base and its core prompts."""
    chosen = core[:CORE_ANCHOR_EXAMPLES]
    if not chosen or job.lambda_core == 0.0:
        return None
    path = Path(job.cache_dir) / f"core-anchor-{job.curvature}-{_of_prompts(chosen)}.safetensors"
    if path.is_file():
        try:
            anchor = load_anchor(path, kind=job.curvature, base_sha256=job.base_sha256, device=backend.device)
        except TrainingError as error:
            log.warning("measuring the core anchor anew: %s", error, extra=action("anchor.damaged"))
        else:
            return anchor
    with backend.base_only():
        anchor = measure(
            backend,
            chosen,
            kind=job.curvature,
            batch_size=job.micro_batch_size,
            seed=job.seed,
            check=lambda: None,  # nothing to save yet: a signal ends the process at once
        )
    save_anchor(path, anchor, base_sha256=job.base_sha256)
    return compacted(anchor, backend.device)


def _of_prompts(chosen: Sequence[Item]) -> str:
    """Return what names the anchor of these prompts and the base's answers to them: another core set, another anchor."""
    digest = hashlib.sha256(repr([item.ids for item in chosen]).encode())
    return digest.hexdigest()[:16]


def _user_anchor(job: TrainJob, backend: TrainerBackend) -> Anchor | None:
    if not job.parent_curvature:
        return None
    path = Path(job.parent_curvature)
    if (kind := anchor_kind(path)) != job.curvature:
        # The user changed `training.curvature`: that must not stop learning, only begin the anchor anew.
        log.warning(
            "the parent's curvature is %s: a new user anchor begins", kind, extra=action("anchor.kind")
        )
        return None
    return load_anchor(path, kind=job.curvature, base_sha256=job.base_sha256, device=backend.device)


def _here(backend: TrainerBackend) -> tuple[Reference, ...]:
    """Return D* = the adapter as it stands, copied."""
    return tuple(
        Reference(a_RD=layer.a_RD.detach().clone(), scaled_b_OR=layer.scale * layer.b_OR.detach().clone())
        for layer in backend.layers
    )


def _first_budget(job: TrainJob, user: Anchor | None) -> Budget:
    """Go on with the parent's c and λ: c is fitted once per consolidation, not once a cycle."""
    if user is None or user.nats_per_omega == 0.0 or job.lambda_core == 0.0:
        return Budget(lambda_core=job.lambda_core)
    return Budget(lambda_core=user.lambda_core, nats_per_omega=user.nats_per_omega)


def _next_user_anchor(
    job: TrainJob,
    backend: TrainerBackend,
    lessons: Lessons,
    parent: Anchor | None,
    budget: Budget,
    stop: StopFlag,
) -> Anchor | None:
    learned = [item for item in lessons.items if item.pool != "core"][:CURVATURE_EXAMPLES]
    if not learned:
        return parent
    anchor = measure(
        backend, learned, kind=job.curvature, batch_size=job.micro_batch_size, seed=job.seed, check=stop.check
    )
    if parent is not None:
        anchor = blend_anchors(parent, anchor, job.gamma)
    return replace(anchor, nats_per_omega=budget.nats_per_omega, lambda_core=budget.lambda_core)


def peak_memory_bytes(device: torch.device) -> int:
    """Return the device's peak allocation on CUDA, else the process's peak resident size (0 where unknown)."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
