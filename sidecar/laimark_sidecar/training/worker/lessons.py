"""From the job's examples to what the loop trains on: tokens for lessons, the base's own answers for core replay."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from laimark_sidecar.errors import TrainingError
from laimark_sidecar.logs import action
from laimark_sidecar.training.job import Example, Preference, Progress, TrainJob
from laimark_sidecar.training.worker.backend import TrainerBackend
from laimark_sidecar.training.worker.batches import Shares, draw, effective_shares, step_shares
from laimark_sidecar.training.worker.core_answers import MAX_NEW_TOKENS, AnswerCache
from laimark_sidecar.training.worker.loop import Lessons
from laimark_sidecar.training.worker.losses import Item
from laimark_sidecar.training.worker.preference import ask_base, pair_of
from laimark_sidecar.training.worker.tokens import ChatTokenizer

log = logging.getLogger(__name__)

KL_PROMPTS = 64
_HOLD_OUT_FROM = 8
"""With fewer core items than this, KL is measured on the ones that are trained on."""


def lesson_items(
    tokenizer: ChatTokenizer, examples: Sequence[Example], *, max_length: int, preference: Preference = "none"
) -> tuple[Item, ...]:
    """Return the new and user examples that can be learned; the others are left out and counted in the log.

    With a `preference` an example's rejected answer goes with it, where it has one that is another than its target.

    Raises:
        TrainingError: there were examples, and none of them can be learned.
    """
    items: list[Item] = []
    wanted = [example for example in examples if example.pool != "core"]
    for example in wanted:
        try:
            encoded = tokenizer.encode(example, max_length=max_length)
        except TrainingError as error:
            # One conversation that the template refuses must not stop the lessons of all others.
            log.warning("example %s left out: %s", example.id, error, extra=action("examples.refused"))
            continue
        if encoded is None:
            log.warning(
                "example %s left out: too long or empty", example.id, extra=action("examples.unusable")
            )
            continue
        positions = tuple(i - 1 for i, learned in enumerate(encoded.learn) if learned)
        rejected = (
            tokenizer.answer_ids(example.rejected) if preference != "none" and example.rejected else None
        )
        pair = (
            pair_of(encoded.ids, encoded.answer_start, rejected, max_length=max_length) if rejected else None
        )
        items.append(
            Item(pool=example.pool, ids=encoded.ids, positions=positions, weight=example.weight, pair=pair)
        )
    if wanted and not items:
        raise TrainingError(
            f"none of the {len(wanted)} examples can be learned: all too long for {max_length} tokens, or empty",
            hint="raise max_length",
        )
    return tuple(items)


def asked_about_pairs(
    job: TrainJob, backend: TrainerBackend, lessons: Lessons, emit: Callable[[Progress], None]
) -> Lessons:
    """Return the lessons with what the frozen base says of every pair that a step draws; the others lose theirs."""
    drawn = {index for step in lessons.plan for index in step}
    items = tuple(
        item if number in drawn or item.pair is None else replace(item, pair=None)
        for number, item in enumerate(lessons.items)
    )
    pairs = [item.pair for item in items if item.pair]
    if not pairs:
        return replace(lessons, items=items)
    log.info(
        "%d of %d lessons have a rejected answer: %d tokens beside %d",
        len(pairs),
        sum(item.pool != "core" for item in items),
        sum(len(pair.ids) for pair in pairs),
        sum(len(item.ids) for item in items),
        extra=action("examples.pairs"),
    )
    emit(Progress(step=0, steps=job.steps, phase="core", message=f"{len(pairs)} rejected answers"))
    # Nothing to save yet: a signal ends the process at once.
    asked = ask_base(backend, items, batch_size=job.micro_batch_size, check=lambda: None)
    return replace(lessons, items=asked)


def core_items(
    job: TrainJob,
    backend: TrainerBackend,
    tokenizer: ChatTokenizer,
    examples: Sequence[Example],
    emit: Callable[[Progress], None],
) -> tuple[Item, ...]:
    """Return the core prompts with the frozen base's answers, in the order of the examples' ids."""
    core = sorted((example for example in examples if example.pool == "core"), key=lambda example: example.id)
    cache = AnswerCache(folder=Path(job.cache_dir) / "core-answers", base_sha256=job.base_sha256)
    items: list[Item] = []
    for number, example in enumerate(core, start=1):
        prompt = tokenizer.prompt_ids(example.messages)[-max(1, job.max_length - MAX_NEW_TOKENS) :]
        items.append(cache.item(backend, prompt, weight=example.weight, end_ids=tokenizer.end_ids[-1:]))
        told = f"{number} of {len(core)} core answers"
        emit(Progress(step=number, steps=len(core), phase="core", message=told))
    return tuple(items)


def compose(job: TrainJob, lessons: Sequence[Item], core: Sequence[Item]) -> Lessons:
    """Split off the prompts that KL is measured on and decide every step's examples.

    Raises:
        TrainingError: no example at all may be drawn.
    """
    measured, replayed = tuple(core), tuple(core)
    if len(core) >= _HOLD_OUT_FROM:
        measured = tuple(core[::4][:KL_PROMPTS])
        held_out = {id(item) for item in measured}
        replayed = tuple(item for item in core if id(item) not in held_out)
    items = (*lessons, *replayed)
    pools = [item.pool for item in items]
    shares = effective_shares(pools, Shares(new=job.new_share, user=job.user_share, core=job.core_share))
    if not any((shares.new, shares.user, shares.core)):
        raise TrainingError(
            f"the job has nothing to learn from: {job.examples} has no example in a pool with a share"
        )
    plan = draw(pools, shares, steps=job.steps, batch_size=job.batch_size, seed=job.seed)
    return Lessons(items=items, plan=plan, shares=step_shares(pools, plan, shares), kl_items=measured)
