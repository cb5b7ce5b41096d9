"""One cell: score the cycle's tasks, learn them with the product's loop, score every exam and the core.

A cell is a function of the files that the cell before left, so a run that was killed goes on where it stood and ends
with the same numbers.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from laimark_sidecar.bench.anchors import (
    anchor_path,
    core_anchor,
    first_budget,
    here,
    keep_next_anchor,
    keep_old_anchor,
    parent_anchor,
)
from laimark_sidecar.bench.arms import Arm
from laimark_sidecar.bench.gated import decide, taught
from laimark_sidecar.bench.lab import Lab, first_job
from laimark_sidecar.bench.lessons import lessons_of
from laimark_sidecar.bench.questions import PromptMemory, Question, item
from laimark_sidecar.bench.regularisers import regulariser
from laimark_sidecar.bench.rejected import with_rejected
from laimark_sidecar.bench.results import CellResult, Decision, Spent, again, read_cell
from laimark_sidecar.bench.scoring import NOTHING, Scores, score, score_once
from laimark_sidecar.bench.style_score import StyleMark, style_mark
from laimark_sidecar.demo.code_tasks import Task
from laimark_sidecar.demo.exam import mark
from laimark_sidecar.errors import StateError
from laimark_sidecar.files import make_dir, write_atomic
from laimark_sidecar.training.job import TrainJob
from laimark_sidecar.training.worker.averaging import average
from laimark_sidecar.training.worker.backend import adapter_tensors, set_adapter
from laimark_sidecar.training.worker.batches import Pool
from laimark_sidecar.training.worker.checkpoint import Position
from laimark_sidecar.training.worker.lessons import asked_about_pairs
from laimark_sidecar.training.worker.loop import Anchors, Lessons, Loop
from laimark_sidecar.training.worker.penalty import penalty
from laimark_sidecar.training.worker.stop import StopFlag


@dataclass(frozen=True, slots=True, kw_only=True)
class _Learned:
    position: Position
    training_s: float
    curvature_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What is said of greedy answers."""

    similarity: tuple[float, ...]
    exact: tuple[float, ...]
    styles: tuple[StyleMark, ...]


def run_cell(lab: Lab, arm: Arm, cycle: int, folder: Path) -> CellResult:
    """Run cycle `cycle` (from 1) of an arm whose earlier cells are done; leaves the adapter for the next in `folder`."""
    make_dir(folder)
    whole, lab = lab, taught(lab) if arm.gate else lab
    due = lab.settings.examines(cycle)
    begun = lab.clock.monotonic_s()
    _begin(lab, arm, cycle, folder)
    if arm.preference != "none":
        lab = with_rejected(lab, cycle, folder)
    past = tuple(asked for done in lab.cycles[: cycle - 1] for asked in done)
    prequential = NOTHING
    written = _Written(similarity=(), exact=(), styles=())
    if arm.lessons == "new":
        memory = PromptMemory(kind=arm.memory, past=past, shots=lab.settings.shots)
        prequential = _scores(lab, arm, whole.cycles[cycle - 1], memory)
        if due and lab.settings.written:
            written = _greedy(lab, whole.cycles[cycle - 1][: lab.settings.written], memory)
    scored_s = lab.clock.monotonic_s() - begun
    learned = _learn(lab, arm, cycle, folder, past) if arm.trains else None
    begun = lab.clock.monotonic_s()
    decision = _decide(whole, cycle, folder) if arm.gate else None
    memory = PromptMemory(kind=arm.memory, past=(*past, *lab.cycles[cycle - 1]), shots=lab.settings.shots)
    users = dict.fromkeys(lab.users[:cycle]) if due else ()
    exams = {name: _scores(lab, arm, lab.exams[name], memory) for name in users}
    core, core_gold, library = (
        _scores(lab, arm, asked, memory) if due and asked else NOTHING
        for asked in (lab.core_exam, lab.core_gold, lab.library)
    )
    scored_s += lab.clock.monotonic_s() - begun
    result = CellResult(
        seed=lab.seed,
        arm=arm.name,
        cycle=cycle,
        user=lab.users[cycle - 1],
        prequential=prequential,
        similarity=written.similarity,
        greedy_exact=written.exact,
        styles=written.styles,
        exams=exams,
        core=core,
        core_gold=core_gold,
        library=library,
        decision=decision,
    )
    if learned is None:
        return replace(result, spent=Spent(scoring=scored_s))
    budget = learned.position.budget
    return replace(
        result,
        losses=learned.position.task_losses,
        kl_watched=budget.kl_core,
        lambda_core=budget.lambda_core,
        nats_per_omega=budget.nats_per_omega,
        spent=Spent(training=learned.training_s, curvature=learned.curvature_s, scoring=scored_s),
    )


def adapter_path(folder: Path, cycle: int) -> Path:
    """Return where the adapter after a cycle is."""
    return folder / f"adapter-{cycle:04}.safetensors"


def forget_state(folder: Path, cycle: int) -> None:
    """Delete what only the cycle after `cycle` needed."""
    adapter_path(folder, cycle).unlink(missing_ok=True)
    if cycle > 0:
        anchor_path(folder, cycle).unlink(missing_ok=True)


def _begin(lab: Lab, arm: Arm, cycle: int, folder: Path) -> None:
    path = adapter_path(folder, cycle - 1)
    goes_on = arm.trains and arm.lessons == "new" and cycle > 1
    set_adapter(lab.backend.layers, _adapter(path) if goes_on else lab.backend.fresh, path)


def _adapter(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise StateError(
            f"{path} cannot be read, and the next cycle goes on from it: {error}", hint=again(path.parent)
        ) from error


def _decide(lab: Lab, cycle: int, folder: Path) -> Decision:
    """Let the gate decide what the next cycle goes on from, and leave that in `folder`."""
    before = adapter_path(folder, cycle - 1)
    last = read_cell(folder, cycle - 1).decision if cycle > 1 else None
    decision = decide(
        lab,
        cycle,
        _adapter(before) if cycle > 1 else lab.backend.fresh,
        last.promotions if last is not None else 0,
    )
    if not decision.accepted:
        keep_old_anchor(cycle, folder)
    write_atomic(adapter_path(folder, cycle), save(adapter_tensors(lab.backend.layers)))
    return decision


def _scores(lab: Lab, arm: Arm, questions: tuple[Question, ...], memory: PromptMemory) -> Scores:
    pool: Pool = "new"
    items = [item(lab.tokenizer, asked, memory.messages(asked), pool=pool) for asked in questions]
    if not arm.trains:
        return score_once(lab.backend, items, lab.backend.frozen_scores)
    return score(lab.backend, items)


def _greedy(lab: Lab, questions: tuple[Question, ...], memory: PromptMemory) -> _Written:
    prompts = [
        item(lab.tokenizer, asked, memory.messages(asked), pool="new").ids[: -len(asked.answer_ids)]
        for asked in questions
    ]
    found = lab.backend.answers(prompts, end_id=lab.tokenizer.end_ids[-1])
    texts = [lab.text_of(ids) for ids in found]
    marks = mark([Task(kind="complete", prompt=q.prompt, answer=q.answer) for q in questions], texts)
    return _Written(
        similarity=tuple(round(s, 4) for s in marks.similarity),
        exact=marks.exact,
        styles=tuple(style_mark(q.answer, text) for q, text in zip(questions, texts, strict=True)),
    )


def _learn(lab: Lab, arm: Arm, cycle: int, folder: Path, past: tuple[Question, ...]) -> _Learned:
    begun = lab.clock.monotonic_s()
    rule = regulariser(arm.metric) if arm.metric is not None else None
    core = core_anchor(lab, rule, folder) if rule is not None else None
    parent = parent_anchor(lab, rule, cycle, folder) if rule is not None else None
    curvature_s = lab.clock.monotonic_s() - begun
    begun = lab.clock.monotonic_s()
    lessons = lessons_of(lab, arm, cycle, past)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".work-") as work:
        job = replace(
            _job(lab, lessons, cycle),
            work_dir=work,
            core_weight=arm.core_weight,
            learning_rate=arm.rate * lab.settings.learning_rate,
            preference=arm.preference,
        )
        lessons = asked_about_pairs(job, lab.backend, lessons, lambda _progress: None)
        start = Position(
            job_digest=f"{lab.seed}:{arm.name}:{cycle}",
            step=0,
            budget=first_budget(rule, parent),
            losses=(),
            task_losses=(),
        )
        loop = Loop(
            job,
            lab.backend,
            lessons,
            Anchors(core=core, user=parent, references=here(lab) if parent is not None else ()),
            start,
            stop=StopFlag(),
            emit=lambda _progress: None,
            clock=lab.clock,
            penalise=rule.penalise if rule is not None else penalty,
        )
        before = here(lab) if cycle > 1 and arm.average else ()
        position, _ = loop.run()
    if before:
        average(lab.backend.layers, before, keep=arm.average)
    training_s = lab.clock.monotonic_s() - begun
    begun = lab.clock.monotonic_s()
    if rule is not None:
        keep_next_anchor(lab, rule, lessons, parent, position.budget, anchor_path(folder, cycle))
    write_atomic(adapter_path(folder, cycle), save(adapter_tensors(lab.backend.layers)))
    curvature_s += lab.clock.monotonic_s() - begun
    return _Learned(position=position, training_s=training_s, curvature_s=curvature_s)


def _job(lab: Lab, lessons: Lessons, cycle: int) -> TrainJob:
    job = first_job(lab.settings, seed=lab.seed * 10_000 + cycle)
    # Anything but empty: from the second cycle on, a KL of more than nothing before the first step is as it should be.
    return replace(job, steps=len(lessons.plan), parent_adapter="the cycle before" if cycle > 1 else "")
