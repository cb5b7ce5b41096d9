"""How much likelier the right lines of other files became: a mark that moves long before greedy answers do.

Exact match and edit similarity see an answer only when its likeliest tokens change; of a small model that is right
about few lines they are mostly noise (a 1-point gain at 5% discordance needs 3090 items to show). The paired
log-prob margin sees every lesson, on the same prompts and on the files that are served.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from laimark_sidecar.demo.code_tasks import Task
from laimark_sidecar.demo.exam import LEVEL
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.pipeline.scoring import BASE, pair, scored
from laimark_sidecar.pipeline.workshop import Report, Workshop
from laimark_sidecar.registry.version import Version
from laimark_sidecar.validation.score_job import Candidate, ScoreItem, ScoreJob
from laimark_sidecar.validation.statistics import Estimate, estimate

TUNED = "tuned"


def exam_margin(
    workshop: Workshop, version: Version, tasks: Sequence[Task], work: Path, *, report: Report
) -> Estimate:
    """Return the mean paired margin of the right answers, version over frozen base, in nats per token.

    Raises:
        RunnerError: the version's file cannot be loaded.
    """
    adapter = workshop.registry.objects.path(version.objects["adapter.gguf"])
    job = ScoreJob(
        base_gguf=str(workshop.base.gguf),
        candidates=(Candidate(name=BASE), Candidate(name=TUNED, adapter_gguf=str(adapter))),
        items=tuple(
            ScoreItem(
                id=f"{number}", messages=(Message(role="user", content=task.prompt),), target=task.answer
            )
            for number, task in enumerate(tasks)
        ),
        threads=workshop.config.training.threads,
        context=workshop.config.runner.context,
    )
    scores = scored(
        workshop, job, work, label="scoring the right answers", report=report, should_stop=lambda: False
    )
    return estimate([item.margin for item in pair(scores, TUNED)], alpha=LEVEL)
