"""The result folder: complete or not there at all."""

from __future__ import annotations

import importlib.metadata
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from laimark_sidecar import __version__
from laimark_sidecar.files import make_dir, publish_dir
from laimark_sidecar.training.job import TrainJob, TrainResult
from laimark_sidecar.training.jobfile import ADAPTER_DIR, CURVATURE_FILE, LOSSES_FILE, RESULT_FILE
from laimark_sidecar.training.worker.backend import TrainerBackend
from laimark_sidecar.training.worker.checkpoint import Position
from laimark_sidecar.training.worker.curvature import Anchor, save_anchor

_TOOLS = ("torch", "transformers", "peft", "safetensors", "tokenizers")


class _LossLine(msgspec.Struct):
    step: int
    loss: float
    task_loss: float


def write_result(
    job: TrainJob,
    backend: TrainerBackend,
    position: Position,
    anchor: Anchor | None,
    *,
    stopped: Literal["", "kl_stop"],
    peak_memory_bytes: int,
    rendering_sha256: str,
    average_left_out: float = 0.0,
) -> None:
    """Publish adapter, curvature, losses and `result.json` as `job.out_dir`; durable when it returns.

    `anchor` None (nothing was learned from) leaves the curvature file out.
    """
    out_dir = Path(job.out_dir)
    make_dir(out_dir.parent)
    temporary = Path(tempfile.mkdtemp(dir=out_dir.parent, prefix=f".{out_dir.name}-"))
    try:
        backend.save_adapter(make_dir(temporary / ADAPTER_DIR))
        if anchor is not None:
            save_anchor(temporary / CURVATURE_FILE, anchor, base_sha256=job.base_sha256)
        (temporary / LOSSES_FILE).write_bytes(b"".join(_loss_lines(position)))
        result = TrainResult(
            steps=position.step,
            losses=position.losses,
            kl_core=position.budget.kl_core,
            stopped=stopped,
            average_left_out=average_left_out,
            seconds=position.seconds,
            penalty_seconds=position.penalty_seconds,
            peak_memory_bytes=peak_memory_bytes,
            rendering_sha256=rendering_sha256,
            tools={
                "laimark-sidecar": __version__,
                **{name: importlib.metadata.version(name) for name in _TOOLS},
            },
        )
        (temporary / RESULT_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
        publish_dir(temporary, out_dir)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _loss_lines(position: Position) -> Sequence[bytes]:
    pairs = zip(position.losses, position.task_losses, strict=True)
    return [
        msgspec.json.encode(_LossLine(step=step, loss=loss, task_loss=task)) + b"\n"
        for step, (loss, task) in enumerate(pairs, start=1)
    ]
