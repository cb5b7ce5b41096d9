"""One learning cycle: select → score before → train → judge → admit → promote. Every step may be the last one before a crash.

A step is skipped when its artefact is there, so carrying a cycle on is calling `advance` again.
"""

from __future__ import annotations

import logging
import shutil
from datetime import UTC, datetime

from laimark_sidecar.errors import TrainingError
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.admit import admit
from laimark_sidecar.pipeline.folder import Closed, CycleFolder, Ending, Plan, unfinished
from laimark_sidecar.pipeline.judge import judged
from laimark_sidecar.pipeline.prequential import score_before_training
from laimark_sidecar.pipeline.promote import promote
from laimark_sidecar.pipeline.select import select
from laimark_sidecar.pipeline.train import train
from laimark_sidecar.pipeline.workshop import Report, ShouldStop, Workshop
from laimark_sidecar.replay.store import ReplayStore

log = logging.getLogger(__name__)


def open_cycle(workshop: Workshop) -> CycleFolder:
    """Return the unfinished cycle, else the folder (not made yet) of a new one."""
    left = unfinished(workshop.home.cycles)
    if left:
        return left
    stamp = datetime.fromtimestamp(workshop.clock.now_s(), UTC).strftime("%Y%m%dT%H%M%S")
    return CycleFolder(root=workshop.home.cycles / stamp)


def advance(workshop: Workshop, cycle: CycleFolder, *, report: Report, should_stop: ShouldStop) -> Closed:
    """Carry a cycle to its end and return how it ended.

    Raises:
        Yielded: `should_stop` said so; call again later to go on where it stopped.
        StateError: there is nothing new to learn.
        TrainingError: the worker failed; the cycle stays open and is tried again.
        RunnerError: the new version could not be promoted; it is kept, and promoting is tried again.
    """
    with workshop.store() as store:
        plan = cycle.plan() or select(workshop, store, cycle)
        if plan.base_sha256 != workshop.base.identity.sha256:
            return _close(
                workshop, store, cycle, plan, "abandoned", "", "the base model changed under the cycle"
            )
        score_before_training(workshop, store, cycle, plan, report=report, should_stop=should_stop)
        try:
            train(cycle, workshop.config, report=report, should_stop=should_stop)
        except TrainingError as error:
            return _give_up_or_raise(workshop, store, cycle, plan, error)
        judgement = judged(workshop, store, cycle, plan, report=report, should_stop=should_stop)
        if not judgement.verdict.accepted:
            reason = "; ".join(why.text for why in judgement.verdict.reasons if not why.passed)
            return _close(workshop, store, cycle, plan, "rejected", "", reason)
        version = admit(workshop, cycle, plan, judgement)
        if workshop.config.promotion.mode == "review":
            return _close(workshop, store, cycle, plan, "awaiting-review", version.name, "passed the gate")
        promote(workshop, version, reason=f"cycle {cycle.id}")
        return _close(workshop, store, cycle, plan, "promoted", version.name, "passed the gate")


MAX_FAILURES = 3


def _give_up_or_raise(
    workshop: Workshop, store: ReplayStore, cycle: CycleFolder, plan: Plan, error: TrainingError
) -> Closed:
    """A worker that keeps failing must not block learning for ever: the third failure abandons the cycle."""
    failures = len(list(cycle.root.glob("failure-*.txt"))) + 1
    (cycle.root / f"failure-{failures}.txt").write_text(f"{error}\n", encoding="utf-8")
    if failures < MAX_FAILURES:
        raise error
    return _close(workshop, store, cycle, plan, "abandoned", "", f"training failed {failures} times: {error}")


def _close(
    workshop: Workshop,
    store: ReplayStore,
    cycle: CycleFolder,
    plan: Plan,
    ending: Ending,
    version: str,
    reason: str,
) -> Closed:
    """End a cycle: its items count as seen unless it never got to judge them; scratch files go."""
    if ending != "abandoned":
        store.mark_trained(plan.new_ids, cycle.id)
    closed = Closed(ending=ending, version=version, reason=reason, closed_s=workshop.clock.now_s())
    cycle.write_closed(closed)
    for scratch in (cycle.work, cycle.root / "scoring", cycle.parent):
        shutil.rmtree(scratch, ignore_errors=True)
    for candidate in cycle.root.glob("candidate-*.gguf"):
        candidate.unlink()
    log.info("cycle %s: %s %s", cycle.id, ending, version, extra=action("pipeline.closed"))
    return closed
