"""Lets the trainer ask the frozen base now what the next cycle would ask it: a job of no steps, whose cache stays."""

from __future__ import annotations

import shutil
from dataclasses import replace

from laimark_sidecar.pipeline.core_forget import asking, building
from laimark_sidecar.pipeline.folder import CycleFolder
from laimark_sidecar.pipeline.parity import parity_before_training
from laimark_sidecar.pipeline.prompts import runner_s_own
from laimark_sidecar.pipeline.select import core_example, core_replayed, job_of
from laimark_sidecar.pipeline.train import train
from laimark_sidecar.pipeline.training_base import ensure_training_base
from laimark_sidecar.pipeline.workshop import Report, ShouldStop, Workshop
from laimark_sidecar.training.jobfile import write_examples, write_job


def cache_answers(workshop: Workshop, *, report: Report, should_stop: ShouldStop) -> int:
    """Put into the base's cache its answers to what is replayed, and the curvature at them; return how many prompts.

    The caller holds the daemon's lock: two trainers would not fit beside each other.

    Raises:
        Yielded: `should_stop` said so; what was answered stays in the cache.
        ConfigError: the runner makes other tokens of conversations than training does.
        RunnerError: Ollama is not there to say how it renders prompts.
        ConversionError, MissingExtraError, TrainingError: as `train` and `ensure_training_base` do.
        LockedError: a build is at work.
    """
    tasks = core_replayed(workshop)
    with building(workshop.home):
        cycle = CycleFolder(root=asking(workshop.home))
        shutil.rmtree(cycle.root, ignore_errors=True)
        try:
            write_examples(cycle.examples, map(core_example, tasks))
            prompts = runner_s_own(workshop, cycle.prompts, (task.messages for task in tasks))
            job = job_of(workshop, cycle, parent="", seed=workshop.config.training.seed)
            job = replace(job, steps=0, prompts=prompts)
            ensure_training_base(workshop, report=report, should_stop=should_stop)
            parity_before_training(workshop, job)
            write_job(cycle.job, job)
            train(cycle, workshop.config, report=report, should_stop=should_stop)
        finally:
            shutil.rmtree(cycle.root, ignore_errors=True)
    return len(tasks)
