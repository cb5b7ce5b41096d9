"""Step 1 of a cycle: what will be learned. Writes the worker's examples and job, then the plan that commits to them."""

from __future__ import annotations

import random
from dataclasses import replace

from laimark_sidecar.curriculum.compose import compose, replay_count
from laimark_sidecar.curriculum.consolidation import consolidation_steps
from laimark_sidecar.curriculum.lesson import Lesson
from laimark_sidecar.files import make_dir
from laimark_sidecar.pipeline import control
from laimark_sidecar.pipeline.consolidating import MODE, consolidation
from laimark_sidecar.pipeline.core import CoreTask, load_core
from laimark_sidecar.pipeline.folder import CycleFolder, Plan
from laimark_sidecar.pipeline.learned import Learned
from laimark_sidecar.pipeline.readiness import NothingToLearnError, eligible, readiness, source_limits
from laimark_sidecar.pipeline.rescale import adapter_shape
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.training.job import Example, TrainJob
from laimark_sidecar.training.jobfile import read_examples, write_examples, write_job


def select(workshop: Workshop, store: ReplayStore, cycle: CycleFolder) -> Plan:
    """Choose examples and write them with the job; the plan is written last and commits the step.

    Raises:
        NothingToLearnError: nothing is new, or too little is held out to judge a candidate by.
    """
    new = eligible(workshop, store)
    found = readiness(workshop, store, new=len(new))
    parent = parent_now(workshop)
    why = consolidation(workshop, parent)
    # What is known already is worth another look from the base, once; every cycle of the "fresh" mode needs a new lesson.
    again = bool(why) and why != MODE and any(_learned(store))
    if found.judges_lacking or (found.lacking and not again):
        # Trained first and then rejected for want of evidence, the lessons would count as seen without being learned.
        raise NothingToLearnError("; ".join(found.lacking), hint=found.hint)
    config = workshop.config.training
    seed = config.seed + len(workshop.registry.versions())
    rng = random.Random(seed)
    if why:
        # The base has learned none of them: what earlier cycles saw is as new to it as the rest.
        offered, count = (*new, *_learned(store)), 0
    else:
        offered, count = new, replay_count(len(new))
    replay = store.draw(count, rng=rng, exclude={item.id for item in offered})
    lessons = compose(new=offered, replay=replay, limits=source_limits(workshop), rng=rng)
    # Only what is really learned counts as seen: an item that a source's limit cut waits for another cycle.
    new_ids = {item.id for item in new} & {lesson.id for lesson in lessons}
    if not new_ids and not (again and lessons):
        raise NothingToLearnError(
            f"none of {len(new)} new items may be learned yet: their sources said too little for their limits",
            hint="see: laimark-sidecar buffer stats",
        )
    make_dir(cycle.root)
    core = core_replayed(workshop)
    write_examples(cycle.examples, [*map(_example, lessons), *map(core_example, core)])
    if parent:
        workshop.registry.checkout(workshop.registry.get(parent), cycle.parent)
    job = job_of(workshop, cycle, parent="" if why else parent, seed=seed)
    write_job(cycle.job, _all_at_once(job, len(lessons)) if why else job)
    plan = Plan(
        id=cycle.id,
        created_s=workshop.clock.now_s(),
        seed=seed,
        parent=parent,
        base_sha256=workshop.base.identity.sha256,
        sample_ids=tuple(lesson.id for lesson in lessons),
        new_ids=tuple(lesson.id for lesson in lessons if lesson.id in new_ids),
        learned=tuple(
            Learned(id=one.id, pool=one.pool, signal=one.signal, weight=one.weight) for one in lessons
        ),
        consolidation=why,
        core_records=tuple(sorted(task.record for task in core if task.record)),
    )
    cycle.write_plan(plan)
    control.consolidation_planned(workshop.home)
    return plan


def _learned(store: ReplayStore) -> list[Item]:
    return [item for item in store.items(split="train", trained=True) if item.weight > 0]


def core_replayed(workshop: Workshop) -> list[CoreTask]:
    """Return the core prompts that every cycle replays.

    The same each time: the base's answers and the core anchor are computed once, and the worker draws from them by its own
    share of tokens.
    """
    training = workshop.config.training
    train = [task for task in load_core(workshop.base).tasks if task.split == "train"]
    return random.Random(training.seed).sample(train, min(training.core_prompts, len(train)))


def core_example(task: CoreTask) -> Example:
    """Return a core prompt as the worker reads it, which asks the frozen base for the target."""
    return Example(id=task.id, pool="core", messages=task.messages, target="")


def _example(lesson: Lesson) -> Example:
    return Example(
        id=lesson.id,
        pool=lesson.pool,
        messages=lesson.messages,
        target=lesson.target,
        spans=lesson.spans,
        weight=lesson.weight,
    )


def drop_forgotten(store: ReplayStore, cycle: CycleFolder, plan: Plan) -> None:
    """Take out of the worker's examples what the buffer no longer holds: forgotten means not learned any more."""
    gone = {item_id for item_id in plan.sample_ids if store.get(item_id) is None}
    if gone and not cycle.result.exists():
        examples = read_examples(cycle.examples)
        write_examples(cycle.examples, [example for example in examples if example.id not in gone])


def parent_now(workshop: Workshop) -> str:
    """Return the version that answers, if it was made for this base; else empty.

    A cycle goes on from it, or, where it begins at the base, must not be worse.
    """
    latest = workshop.registry.refs().get("latest", "")
    if not latest:
        return ""
    version = workshop.registry.get(latest)
    return latest if version.base.sha256 == workshop.base.identity.sha256 else ""


def _all_at_once(job: TrainJob, lessons: int) -> TrainJob:
    """Return a job with steps for every lesson to come once, beside the core's share."""
    share = job.new_share / (job.new_share + job.core_share)
    steps = consolidation_steps(lessons, batch_size=job.batch_size, share=share, least=job.steps)
    return replace(job, steps=steps)


def job_of(workshop: Workshop, cycle: CycleFolder, *, parent: str, seed: int) -> TrainJob:
    """Return a job as the configuration has it, in a cycle's folder, going on from `parent` or, if empty, from the base."""
    training, gate = workshop.config.training, workshop.config.gate
    curvature = cycle.parent / "curvature.safetensors"
    # Going on from a parent means its rank and alpha, whatever the configuration says by now.
    shape = adapter_shape((cycle.parent / "adapter_config.json").read_bytes()) if parent else training
    return TrainJob(
        base_dir=str(workshop.base.hf_dir),
        base_sha256=workshop.base.identity.sha256,
        examples=str(cycle.examples),
        out_dir=str(cycle.result),
        work_dir=str(cycle.work),
        cache_dir=str(workshop.base.cache),
        parent_adapter=str(cycle.parent) if parent else "",
        parent_curvature=str(curvature) if parent and curvature.is_file() else "",
        device=training.device,
        seed=seed,
        steps=training.steps,
        batch_size=training.batch_size,
        micro_batch_size=training.micro_batch_size,
        max_length=training.max_length,
        learning_rate=training.learning_rate,
        rank=shape.rank,
        alpha=shape.alpha,
        core_weight=training.core_weight,
        user_weight=training.user_weight,
        curvature=training.curvature,
        lambda_core=training.lambda_core,
        lambda_user=training.lambda_user,
        kl_soft=training.kl_soft,
        kl_alarm=gate.kl_alarm,
        kl_stop=gate.kl_stop,
    )
