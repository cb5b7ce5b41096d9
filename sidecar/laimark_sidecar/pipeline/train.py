"""Step 2 of a cycle: the worker trains, in a process of its own; its result folder appears complete or not at all."""

from __future__ import annotations

import sys

from laimark_sidecar.config.schema import Config
from laimark_sidecar.errors import TrainingError
from laimark_sidecar.pipeline.folder import CycleFolder
from laimark_sidecar.pipeline.stopping import Yielded
from laimark_sidecar.pipeline.workshop import Report, ShouldStop
from laimark_sidecar.training.job import Progress
from laimark_sidecar.training.launch import run_worker

PHASES = {
    "load": "loading the base",
    "core": "asking the frozen base",
    "anchor": "measuring the core anchor",
    "train": "training",
    "curvature": "measuring the user anchor",
    "done": "trained",
}
GRACE_S = 3.0
"""For the worker's last checkpoint: the daemon itself has five seconds to stop."""


def train(cycle: CycleFolder, config: Config, *, report: Report, should_stop: ShouldStop) -> None:
    """Make `cycle.result` exist.

    Raises:
        Yielded: stopped at a checkpoint; the same call goes on from it.
        TrainingError: the worker failed; says why.
    """
    if (cycle.result / "result.json").is_file():
        return

    def on_progress(progress: Progress) -> None:
        report(PHASES[progress.phase], progress.step / max(progress.steps, 1))

    outcome = run_worker(
        cycle.job,
        python=config.training.python or sys.executable,
        on_progress=on_progress,
        should_stop=should_stop,
        threads=config.training.threads or None,
        grace_s=GRACE_S,
    )
    if outcome.kind == "yielded":
        raise Yielded("training gave way and will go on from its checkpoint")
    if outcome.kind == "failed":
        raise TrainingError(outcome.error, hint=f"the job is in {cycle.job}")
