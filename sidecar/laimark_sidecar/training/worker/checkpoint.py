"""Where a job stopped: everything that decides the next step, so a resumed run is the same run to the last bit.

A checkpoint is a folder `step-000010` with `state.safetensors` (adapter, AdamW moments, random state) and
`state.json` (position, budget, losses). It is written new and renamed into place; a damaged one is passed over.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.files import make_dir, publish_dir
from laimark_sidecar.logs import action
from laimark_sidecar.training.job import TrainJob
from laimark_sidecar.training.worker.budget import Budget

log = logging.getLogger(__name__)

STATE_FORMAT = 1
_KEPT = 2
_PREFIX = "step-"
_UNFINISHED = ".checkpoint-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The readable half of a checkpoint."""

    job_digest: str
    step: int
    """Optimiser steps done."""
    budget: Budget
    losses: tuple[float, ...]
    task_losses: tuple[float, ...]
    seconds: float = 0.0
    """Spent on the steps so far, in all runs of the job."""
    penalty_seconds: float = 0.0
    version: int = STATE_FORMAT

    @property
    def is_measured(self) -> bool:
        """Whether the KL in the budget is that of this very step."""
        return self.budget.measured_step == self.step


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """Both halves."""

    position: Position
    tensors: dict[str, Tensor]
    folder: Path


def job_digest(job: TrainJob) -> str:
    """Return what ties a checkpoint to its job: all settings and the examples' content, not where it is put."""
    settings = msgspec.to_builtins(job)
    for place in ("out_dir", "work_dir", "cache_dir", "examples"):
        del settings[place]
    digest = hashlib.sha256(msgspec.json.encode(settings, order="sorted"))
    digest.update(Path(job.examples).read_bytes())
    return digest.hexdigest()


def write_checkpoint(work_dir: Path, position: Position, tensors: dict[str, Tensor]) -> None:
    """Write a checkpoint; durable when it returns. Old ones go, but never the newest one with a measured KL."""
    make_dir(work_dir)
    temporary = Path(tempfile.mkdtemp(dir=work_dir, prefix=_UNFINISHED))
    try:
        save_file(tensors, temporary / "state.safetensors")
        (temporary / "state.json").write_bytes(msgspec.json.encode(position))
        publish_dir(temporary, work_dir / f"{_PREFIX}{position.step:06d}")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _prune(work_dir)


def newest_checkpoint(
    work_dir: Path, digest: str, *, kl_below: float | None = None, at_most: int | None = None
) -> Checkpoint | None:
    """Return the newest checkpoint of this job that can be read; None to begin anew.

    Args:
        work_dir: the job's folder.
        digest: `job_digest`; checkpoints of other jobs are passed over.
        kl_below: only those whose KL was measured at their own step and was below this.
        at_most: only up to this step.
    """
    for folder in sorted(work_dir.glob(f"{_PREFIX}*"), reverse=True):
        found = _read(folder)
        if found is None:
            continue
        position = found.position
        if position.job_digest != digest:
            log.warning("%s belongs to another job", folder.name, extra=action("checkpoint.foreign"))
            continue
        if at_most is not None and position.step > at_most:
            continue
        if kl_below is None or (position.is_measured and position.budget.kl_core < kl_below):
            return found
    return None


def optimizer_tensors(optimizer: torch.optim.AdamW, names: Sequence[str]) -> dict[str, Tensor]:
    """Return AdamW's moments by parameter name."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in zip(names, optimizer.param_groups[0]["params"], strict=True):
        for key, tensor in optimizer.state[parameter].items():
            tensors[f"adamw.{key}.{name}"] = tensor.detach().cpu().clone()
    return tensors


def restore_optimizer(optimizer: torch.optim.AdamW, names: Sequence[str], tensors: dict[str, Tensor]) -> None:
    """Put saved moments back; parameters without any (step 0) stay without."""
    for name, parameter in zip(names, optimizer.param_groups[0]["params"], strict=True):
        state = {
            key: tensors[f"adamw.{key}.{name}"]
            for key in ("step", "exp_avg", "exp_avg_sq")
            if f"adamw.{key}.{name}" in tensors
        }
        if state:
            # AdamW keeps the step count on the CPU and the moments beside their parameter.
            optimizer.state[parameter] = {
                k: t.clone() if k == "step" else t.to(parameter.device) for k, t in state.items()
            }


def _read(folder: Path) -> Checkpoint | None:
    try:
        position = decode_json((folder / "state.json").read_bytes(), Position)
        tensors = load_file(folder / "state.safetensors")
    except (OSError, SafetensorError, MalformedError) as error:
        log.warning("%s is damaged: %s", folder.name, error, extra=action("checkpoint.damaged"))
        return None
    return Checkpoint(position=position, tensors=tensors, folder=folder)


def _prune(work_dir: Path) -> None:
    for unfinished in work_dir.glob(f"{_UNFINISHED}*"):  # of a process that was killed while it wrote
        shutil.rmtree(unfinished)
    folders = sorted(work_dir.glob(f"{_PREFIX}*"), reverse=True)
    measured_kept = False
    for number, folder in enumerate(folders):
        is_measured = _is_measured(folder)
        if number < _KEPT or (is_measured and not measured_kept):
            measured_kept = measured_kept or is_measured
            continue
        shutil.rmtree(folder)


def _is_measured(folder: Path) -> bool:
    try:
        return decode_json((folder / "state.json").read_bytes(), Position).is_measured
    except (OSError, MalformedError):
        return False
