"""Scores on the served artefact, paired: the same item under the base and under a candidate."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from laimark_sidecar.pipeline.prompts import runner_s_own
from laimark_sidecar.pipeline.stopping import Yielded
from laimark_sidecar.pipeline.workshop import Report, ShouldStop, Workshop
from laimark_sidecar.replay.item import Item
from laimark_sidecar.validation.evidence import ItemScore
from laimark_sidecar.validation.score_job import ScoreItem, ScoreJob, Scores
from laimark_sidecar.validation.scorer import ScoringStoppedError, score

BASE, PREVIOUS = "base", "previous"


def score_item(item: Item) -> ScoreItem:
    """Return what is asked of a model about a replay item: how likely is the right answer?"""
    return ScoreItem(id=item.id, messages=item.messages, target=item.target)


def scored(
    workshop: Workshop, job: ScoreJob, work: Path, *, label: str, report: Report, should_stop: ShouldStop
) -> Scores:
    """Score a job in a child, on the prompts that the runner would make.

    Raises:
        Yielded: asked to stop; scoring is short and starts anew.
        RunnerError: the base or an adapter cannot be loaded, or the runner is not there to say how it renders prompts.
    """
    shutil.rmtree(work, ignore_errors=True)
    conversations = (item.messages for item in (*job.items, *job.kl_items, *job.answers))
    prompts = runner_s_own(workshop, work / "prompts.json", conversations)
    try:
        return score(
            replace(job, prompts=prompts),
            # A scorer that outlives its killed parent must not write into its successor's folder.
            work / str(os.getpid()),
            on_progress=lambda progress: report(label, progress.done / max(progress.total, 1)),
            should_stop=should_stop,
        )
    except ScoringStoppedError as error:
        raise Yielded("validation gave way and will start again") from error


def pair(scores: Scores, candidate: str) -> tuple[ItemScore, ...]:
    """Return one line an item: base, candidate, and the previous version where it was scored too."""
    by_item: dict[str, dict[str, tuple[float, bool]]] = {}
    tokens: dict[str, int] = {}
    for one in scores.items:
        by_item.setdefault(one.id, {})[one.candidate] = (one.logprob, one.greedy)
        tokens[one.id] = one.tokens
    return tuple(
        ItemScore(
            id=item_id,
            tokens=tokens[item_id],
            base=found[BASE][0],
            candidate=found[candidate][0],
            previous=found[PREVIOUS][0] if PREVIOUS in found else None,
            exact_base=found[BASE][1],
            exact_candidate=found[candidate][1],
        )
        for item_id, found in by_item.items()
    )
