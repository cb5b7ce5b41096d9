"""What one cycle trains on: which questions, from which pools, in which steps."""

from __future__ import annotations

import random

from laimark_sidecar.bench.arms import Arm
from laimark_sidecar.bench.lab import Lab
from laimark_sidecar.bench.questions import PromptMemory, Question, item
from laimark_sidecar.training.worker.batches import Pool, Shares, draw, effective_shares, step_shares
from laimark_sidecar.training.worker.loop import Lessons
from laimark_sidecar.training.worker.losses import Item


def lessons_of(lab: Lab, arm: Arm, cycle: int, past: tuple[Question, ...]) -> Lessons:
    """Return the cycle's items and steps; equal seeds and cycles draw the same reservoir in every arm."""
    settings = lab.settings
    new, steps = lab.cycles[cycle - 1], settings.steps
    rng = random.Random(f"{lab.seed}:{cycle}:reservoir")
    kept = tuple(rng.sample(past, min(settings.reservoir, len(past))))
    if arm.lessons == "new":
        user = kept if arm.replay else ()
        shares = Shares(new=0.5, user=0.25, core=0.25) if arm.replay else Shares(new=1.0, user=0.0, core=0.0)
    else:
        new = (*(kept if arm.lessons == "reservoir" else past), *new)
        steps *= settings.fresh_factor if arm.lessons == "reservoir" else cycle
        user, shares = (), Shares(new=0.75, user=0.0, core=0.25)
    # What nobody draws from stays out: arms without core replay only have the governor's prompts.
    replayed = lab.core_wide if arm.wide_core else lab.core_replay
    core = replayed if shares.core > 0.0 else ()
    items = (*bare_items(lab, new, "new"), *bare_items(lab, user, "user"), *bare_items(lab, core, "core"))
    pools = [one.pool for one in items]
    share = effective_shares(pools, shares)
    plan = draw(pools, share, steps=steps, batch_size=settings.batch, seed=lab.seed * 10_000 + cycle)
    watched = bare_items(lab, lab.core_watched, "core") if arm.replay or arm.metric is not None else ()
    return Lessons(items=items, plan=plan, shares=step_shares(pools, plan, share), kl_items=watched)


def bare_items(lab: Lab, questions: tuple[Question, ...], pool: Pool) -> tuple[Item, ...]:
    """Return questions as lessons: nothing but the question in the prompt."""
    bare = PromptMemory(kind="", past=(), shots=0)
    return tuple(item(lab.tokenizer, asked, bare.messages(asked), pool=pool) for asked in questions)
