from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.training.conftest import JobMaker

from laimark_sidecar.training.jobfile import read_result
from laimark_sidecar.training.worker.backend import PeftBackend
from laimark_sidecar.training.worker.budget import Budget
from laimark_sidecar.training.worker.checkpoint import Position
from laimark_sidecar.training.worker.curvature import Anchor, Covariance
from laimark_sidecar.training.worker.result import write_result

ANCHOR = Anchor(
    kind="input",
    covariances={"x": Covariance(rows_KD=torch.zeros(1, 2), diagonal_D=torch.ones(2))},
    outputs={},
    examples=1,
)
POSITION = Position(
    job_digest="d",
    step=2,
    budget=Budget(lambda_core=1.0, kl_core=0.01, measured_step=2),
    losses=(1.5, 1.25),
    task_losses=(1.5, 1.0),
)


def test_the_folder_holds_all_that_the_sidecar_asks_for(make_job: JobMaker, backend: PeftBackend) -> None:
    job = make_job()
    write_result(job, backend, POSITION, ANCHOR, stopped="", peak_memory_bytes=7, rendering_sha256="ab")
    out = Path(job.out_dir)
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()) == [
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "curvature.safetensors",
        "losses.jsonl",
        "result.json",
    ]
    result = read_result(out)
    assert (result.losses, result.kl_core, result.peak_memory_bytes) == ((1.5, 1.25), 0.01, 7)
    assert result.rendering_sha256 == "ab"
    assert result.tools is not None
    assert {"torch", "peft", "laimark-sidecar"} <= result.tools.keys()
    assert [json.loads(line) for line in (out / "losses.jsonl").read_text().splitlines()] == [
        {"step": 1, "loss": 1.5, "task_loss": 1.5},
        {"step": 2, "loss": 1.25, "task_loss": 1.0},
    ]


def test_a_result_replaces_an_older_one_as_a_whole(make_job: JobMaker, backend: PeftBackend) -> None:
    job = make_job()
    write_result(job, backend, POSITION, ANCHOR, stopped="", peak_memory_bytes=0, rendering_sha256="ab")
    write_result(job, backend, POSITION, None, stopped="kl_stop", peak_memory_bytes=0, rendering_sha256="ab")
    assert not (Path(job.out_dir) / "curvature.safetensors").exists()
    assert read_result(Path(job.out_dir)).stopped == "kl_stop"


def test_a_failed_write_leaves_nothing_behind(
    make_job: JobMaker, backend: PeftBackend, tmp_path: Path
) -> None:
    job = make_job()

    class FullDisk(PeftBackend):
        def __init__(self) -> None:
            self.layers = backend.layers

        def save_adapter(self, folder: Path) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_result(
            job, FullDisk(), POSITION, ANCHOR, stopped="", peak_memory_bytes=0, rendering_sha256="ab"
        )
    assert not Path(job.out_dir).exists()
    assert not [path for path in Path(job.out_dir).parent.iterdir() if path.name.startswith(".out")]
