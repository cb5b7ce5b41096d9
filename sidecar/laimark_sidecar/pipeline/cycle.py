"""One learning cycle: select → score before → train → judge → admit → promote. Every step may be the last one before a crash.

A step is skipped when its artefact is there, so carrying a cycle on is calling `advance` again.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from datetime import UTC, datetime

from laimark_sidecar.errors import (
    ConfigError,
    ConversionError,
    DataError,
    LaimarkError,
    MissingExtraError,
    RunnerError,
    StateError,
    TrainingError,
)
from laimark_sidecar.files import write_atomic
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.admit import admit, admitted
from laimark_sidecar.pipeline.base import require_same, resolve
from laimark_sidecar.pipeline.core_first import ensure_core
from laimark_sidecar.pipeline.folder import Closed, CycleFolder, Ending, Plan, cycles, unfinished
from laimark_sidecar.pipeline.following import LATEST
from laimark_sidecar.pipeline.guard import step_back_from_harm
from laimark_sidecar.pipeline.judge import judged
from laimark_sidecar.pipeline.parity import parity_before_training
from laimark_sidecar.pipeline.prequential import score_before_training
from laimark_sidecar.pipeline.promote import promote
from laimark_sidecar.pipeline.prompts import runner_s_own
from laimark_sidecar.pipeline.select import drop_forgotten, parent_now, select
from laimark_sidecar.pipeline.train import train
from laimark_sidecar.pipeline.training_base import ensure_training_base
from laimark_sidecar.pipeline.waiting import was_latest
from laimark_sidecar.pipeline.workshop import Report, ShouldStop, Workshop
from laimark_sidecar.registry.version import Version
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.training.jobfile import read_examples, read_job, read_result, write_job

log = logging.getLogger(__name__)
MAX_FAILURES = 3


def open_cycle(workshop: Workshop) -> CycleFolder:
    """Return the unfinished cycle, else the folder (not made yet) of a new one.

    Folders without a plan are what a crash left of a selection: nothing was promised yet, so they go.
    """
    root = workshop.home.cycles
    left = unfinished(root)
    if left:
        return left
    for cycle in cycles(root):
        if cycle.plan() is None and cycle.closed() is None:
            shutil.rmtree(cycle.root)
    stamp = datetime.fromtimestamp(workshop.clock.now_s(), UTC).strftime("%Y%m%dT%H%M%S")
    # A cycle can end within the second in which it began; a name that was used stays its own.
    names = (stamp, *(f"{stamp}-{number:02}" for number in range(1, 100)))
    return CycleFolder(root=next(root / name for name in names if not (root / name).exists()))


def advance(workshop: Workshop, cycle: CycleFolder, *, report: Report, should_stop: ShouldStop) -> Closed:
    """Carry a cycle to its end and return how it ended.

    What fails for its own reasons (the worker, the conversion, the scoring) is tried `MAX_FAILURES` times before the
    cycle is abandoned: a broken cycle must not block learning for ever.

    Raises:
        Yielded: `should_stop` said so; call again later to go on where it stopped.
        NothingToLearnError: there is nothing new to learn.
        BaseChangedError: the base has changed since this process opened it.
        ConfigError: the runner makes other tokens of conversations than training does; the cycle stays open.
        TrainingError, ConversionError, DataError: a step failed; the cycle stays open and is tried again.
        MissingExtraError: the training packages are not there; as above.
        RunnerError: the runner is not there to say how it renders prompts (Ollama); or scoring failed, or the new version could not be promoted; it is kept, and promoting is tried again.
    """
    require_same(
        workshop.base.identity, resolve(workshop.home, workshop.config).identity, where="this process's work"
    )
    with workshop.store() as store:
        plan = cycle.plan() or _plan(workshop, store, cycle, report=report, should_stop=should_stop)
        version = admitted(workshop, cycle)
        outdated = _outdated(workshop, plan, version)
        if outdated:
            return _close(workshop, store, cycle, plan, "abandoned", "", outdated)
        if version is None and not cycle.result.exists():
            _take_prompts(workshop, store, cycle, plan)
        try:
            harmful = (
                ""
                if version
                else _before_training(workshop, store, cycle, plan, report=report, should_stop=should_stop)
            )
            if harmful:
                return _close(workshop, store, cycle, plan, "abandoned", "", harmful)
            made = version or _make(workshop, store, cycle, plan, report=report, should_stop=should_stop)
        except (TrainingError, ConversionError, DataError, MissingExtraError, RunnerError) as error:
            failures = _count_failure(cycle, error)
            if failures < MAX_FAILURES:
                raise
            reason = f"failed {failures} times: {error}"
            return _close(workshop, store, cycle, plan, "abandoned", "", reason)
        if isinstance(made, str):
            return _close(workshop, store, cycle, plan, "rejected", "", made)
        return _offer(workshop, store, cycle, plan, made)


def _plan(
    workshop: Workshop, store: ReplayStore, cycle: CycleFolder, *, report: Report, should_stop: ShouldStop
) -> Plan:
    ensure_core(workshop, report=report, should_stop=should_stop)
    return select(workshop, store, cycle)


def _take_prompts(workshop: Workshop, store: ReplayStore, cycle: CycleFolder, plan: Plan) -> None:
    """Let the job train on the runner's own renderings, where those are not what the base's template makes."""
    drop_forgotten(store, cycle, plan)
    conversations = (example.messages for example in read_examples(cycle.examples))
    prompts = runner_s_own(workshop, cycle.prompts, conversations)
    job = read_job(cycle.job)
    if prompts != job.prompts:
        write_job(cycle.job, replace(job, prompts=prompts))


def _outdated(workshop: Workshop, plan: Plan, version: Version | None) -> str:
    """Return why a cycle has lost its ground since it was planned; empty when it has not."""
    if plan.base_sha256 != workshop.base.identity.sha256:
        return "the base model changed under the cycle"
    if version is None and plan.parent != parent_now(workshop):
        # The user stepped back or chose another one: what grows on the old one would undo that.
        return f"{workshop.ref(LATEST)} moved away from {plan.parent or 'base'} under the cycle"
    return ""


def _before_training(
    workshop: Workshop,
    store: ReplayStore,
    cycle: CycleFolder,
    plan: Plan,
    *,
    report: Report,
    should_stop: ShouldStop,
) -> str:
    """Score what is new, and return why what serves was stepped back from because of it; empty where it was not."""
    if not cycle.result.exists():
        ensure_training_base(workshop, report=report, should_stop=should_stop)
        parity_before_training(workshop, read_job(cycle.job))
    score_before_training(workshop, store, cycle, plan, report=report, should_stop=should_stop)
    return step_back_from_harm(workshop)


def _make(
    workshop: Workshop,
    store: ReplayStore,
    cycle: CycleFolder,
    plan: Plan,
    *,
    report: Report,
    should_stop: ShouldStop,
) -> Version | str:
    """Return the version that the cycle makes, or why the gate refused it."""
    drop_forgotten(store, cycle, plan)
    train(cycle, workshop.config, report=report, should_stop=should_stop)
    if read_result(cycle.result).steps == 0:
        # An equal of its parent could pass the gate on its parent's merit, and be promoted for ever.
        return "nothing was learned: the first steps went beyond gate.kl_stop and were taken back"
    judgement = judged(workshop, store, cycle, plan, report=report, should_stop=should_stop)
    if not judgement.verdict.accepted:
        return judgement.verdict.summary
    return admit(workshop, cycle, plan, judgement, report=report, should_stop=should_stop)


def _offer(
    workshop: Workshop, store: ReplayStore, cycle: CycleFolder, plan: Plan, version: Version
) -> Closed:
    """Promote the version, or leave that to the user: when he wants it so, or when the runner keeps refusing it."""
    if workshop.config.promotion.mode == "review":
        return _close(workshop, store, cycle, plan, "awaiting-review", version.name, "passed the gate")
    if not was_latest(workshop, version.name):
        workshop.runner().names()  # a runner that is not there is no failure of the version
        try:
            promote(workshop, version, reason=f"cycle {cycle.id}")
        except (RunnerError, StateError, ConfigError) as error:
            failures = _count_failure(cycle, error)
            if failures < MAX_FAILURES:
                raise
            reason = f"passed the gate, but could not be promoted: {error}"
            return _close(workshop, store, cycle, plan, "awaiting-review", version.name, reason)
    return _close(workshop, store, cycle, plan, "promoted", version.name, "passed the gate")


def _count_failure(cycle: CycleFolder, error: LaimarkError) -> int:
    failures = len(list(cycle.root.glob("failure-*.txt"))) + 1
    write_atomic(cycle.root / f"failure-{failures}.txt", f"{error}\n{error.hint}\n".encode())
    log.warning(
        "cycle %s failed (%d of %d): %s",
        cycle.id,
        failures,
        MAX_FAILURES,
        error,
        extra=action("pipeline.failure"),
    )
    return failures


def _close(
    workshop: Workshop,
    store: ReplayStore,
    cycle: CycleFolder,
    plan: Plan,
    ending: Ending,
    version: str,
    reason: str,
) -> Closed:
    """End a cycle: its items count as seen unless it never got to judge them; scratch files and user text go."""
    # A refused consolidation taught its new lessons to nobody: what goes on serving learns them in the next cycle.
    untaught = ending == "rejected" and plan.consolidation and workshop.config.training.mode == "ewc"
    if ending != "abandoned" and not untaught:
        store.mark_trained(plan.new_ids, cycle.id)
    closed = Closed(ending=ending, version=version, reason=reason, closed_s=workshop.clock.now_s())
    cycle.write_closed(closed)
    for scratch in (cycle.work, cycle.root / "scoring", cycle.parent):
        shutil.rmtree(scratch, ignore_errors=True)
    # What was forgotten in the buffer must not live on here.
    for scratch in (*cycle.root.glob("candidate-*.gguf"), cycle.examples, cycle.prompts):
        scratch.unlink(missing_ok=True)
    log.info("cycle %s: %s %s", cycle.id, ending, version, extra=action("pipeline.closed"))
    return closed
