"""Builds the core set of a base: shipped prompts and the user's own, with an answer to each one that judges.

What is scored is a good answer by people where one is shipped, else the frozen base's own. Order: ask → derived caches of
what is no longer asked → core set. It comes into force by one rename; a build that is killed before leaves the old one.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.curriculum.core_mix import CorePrompt, mixed
from laimark_sidecar.decoding import decode_json
from laimark_sidecar.errors import DataError
from laimark_sidecar.files import make_dir
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.paths import modelfiles
from laimark_sidecar.pipeline.core import CoreTask, read_core, write_core
from laimark_sidecar.pipeline.core_forget import asking, building, drop_derived, writing
from laimark_sidecar.pipeline.core_questions import own_questions
from laimark_sidecar.pipeline.scoring import BASE, scored
from laimark_sidecar.pipeline.workshop import Report, ShouldStop, Workshop
from laimark_sidecar.validation.score_job import Candidate, ScoreItem, ScoreJob

LEAST_SCREEN = 20
"""As `validation.gate.Gate.min_core_items`: with fewer nothing is ever accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a core set is made of, counted."""

    shipped: int
    own: int
    train: int
    screen: int
    by_language: dict[str, int]
    by_domain: dict[str, int]


def shipped() -> tuple[CorePrompt, ...]:
    """Return the prompts that come with the program."""
    path = modelfiles() / "core" / "prompts.jsonl"
    return tuple(decode_json(line, CorePrompt) for line in path.read_bytes().splitlines())


def choose(workshop: Workshop, *, most_own: int) -> tuple[CorePrompt, ...]:
    """Return the prompts that a build would take now; nothing is written.

    Raises:
        StateError: the journal is sealed and its key is not there.
    """
    with workshop.store() as store:
        return mixed(shipped(), own_questions(workshop, store) if most_own else (), most_own=most_own)


def counted(prompts: Sequence[CorePrompt | CoreTask]) -> Chosen:
    """Return the prompts' numbers."""
    splits = Counter(one.split for one in prompts)
    own = sum(1 for one in prompts if one.record)
    return Chosen(
        shipped=len(prompts) - own,
        own=own,
        train=splits["train"],
        screen=splits["screen"],
        by_language=_counts(one.language for one in prompts),
        by_domain=_counts(one.domain for one in prompts),
    )


def build(
    workshop: Workshop, prompts: tuple[CorePrompt, ...], *, report: Report, should_stop: ShouldStop
) -> Path:
    """Ask the frozen base, and put the core set in force; return its file, which is durable then.

    What was forgotten while the base was asked is left out.

    Raises:
        Yielded: `should_stop` said so; nothing was written.
        RunnerError: the base cannot be loaded.
        DataError: too few of the prompts that judge could be answered.
        LockedError: another build is at work.
    """
    unanswered = [one for one in prompts if one.split == "screen" and not one.reference]
    with building(workshop.home):
        answers = _answers(workshop, unanswered, report=report, should_stop=should_stop)
    tasks = [_task(one, one.reference or answers.get(one.id, "")) for one in prompts]
    tasks = [task for task in tasks if task.split == "train" or task.reference.strip()]
    if (judging := sum(1 for task in tasks if task.split == "screen")) < LEAST_SCREEN:
        raise DataError(
            f"the base answered {judging} of the prompts that judge, and {LEAST_SCREEN} are needed",
            hint="does the base have a chat template? see: laimark-sidecar doctor",
        )
    _put_in_force(workshop, tasks)
    return workshop.base.core


def _put_in_force(workshop: Workshop, tasks: Sequence[CoreTask]) -> None:
    path = workshop.base.core
    make_dir(path.parent)
    with writing(workshop.home), workshop.store() as store:
        gone = store.oblivion.forgotten({task.record for task in tasks if task.record})
        kept = [task for task in tasks if task.record not in gone]
        if _asks_less(path, kept):
            # Nobody could find the answers later to what no core set tells of any more.
            drop_derived(workshop.base.cache)
        write_core(path, kept, made_s=workshop.clock.now_s())


def _asks_less(path: Path, tasks: Iterable[CoreTask]) -> bool:
    """Whether questions of the user's were in the core set and are no longer; of one that is damaged nobody knows."""
    if not path.is_file():
        return False
    try:
        before = read_core(path).tasks
    except DataError:
        return True
    return bool({task.record for task in before if task.record} - {task.record for task in tasks})


def _task(one: CorePrompt, reference: str) -> CoreTask:
    return CoreTask(
        id=one.id,
        split=one.split,
        messages=_messages(one),
        reference=reference if one.split == "screen" else "",
        language=one.language,
        domain=one.domain,
        record=one.record,
    )


def _messages(one: CorePrompt) -> tuple[Message, ...]:
    return (Message(role="user", content=one.prompt),)


def _answers(
    workshop: Workshop, prompts: Sequence[CorePrompt], *, report: Report, should_stop: ShouldStop
) -> dict[str, str]:
    job = ScoreJob(
        base_gguf=str(workshop.base.gguf),
        candidates=(Candidate(name=BASE),),
        answers=tuple(ScoreItem(id=one.id, messages=_messages(one), target="") for one in prompts),
        threads=workshop.config.training.threads,
        context=workshop.config.runner.context,
    )
    folder = asking(workshop.home)
    label = "asking the frozen base"
    try:
        scores = scored(workshop, job, folder, label=label, report=report, should_stop=should_stop)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {one.id: one.text for one in scores.answers}


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(name or "?" for name in names).most_common())
