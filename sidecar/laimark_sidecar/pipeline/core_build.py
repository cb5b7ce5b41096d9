"""Builds the core set of a base: shipped prompts and the user's own, with the frozen base's answers as what is scored.

Of the user's words only first questions are taken that taught nothing: of conversations that brought no lesson and that
do not judge. Where he corrected the base, its own answer is what it must unlearn.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.curriculum.core_mix import CorePrompt, mixed
from laimark_sidecar.curriculum.language import language_of
from laimark_sidecar.decoding import decode_json
from laimark_sidecar.errors import DataError
from laimark_sidecar.experience.background import is_background
from laimark_sidecar.experience.candidate import split_of
from laimark_sidecar.experience.fences import domain
from laimark_sidecar.experience.screening import Policy
from laimark_sidecar.experience.tree import root_prompt
from laimark_sidecar.files import exclusive, make_dir
from laimark_sidecar.journal.erasing import lines_of
from laimark_sidecar.journal.exchange import Exchange, Message, decode
from laimark_sidecar.journal.sealing import Opener
from laimark_sidecar.paths import Home, modelfiles
from laimark_sidecar.pipeline.core import NAME, CoreTask, read_core, write_core
from laimark_sidecar.pipeline.scoring import BASE, scored
from laimark_sidecar.pipeline.screening import policy_of
from laimark_sidecar.pipeline.source_list import trusted
from laimark_sidecar.pipeline.workshop import Report, Workshop
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.validation.score_job import Candidate, ScoreItem, ScoreJob

LEAST_SCREEN = 20
"""As `validation.gate.Gate.min_core_items`: with fewer nothing is ever accepted."""
_LONGEST = 1500
_LOCK_WAIT_S = 10.0


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
    """Return the prompts that a build would take now; nothing is written."""
    with workshop.store() as store:
        own = tuple(_own(workshop, store)) if most_own else ()
    return mixed(shipped(), own, most_own=most_own)


def counted(prompts: Sequence[CorePrompt | CoreTask]) -> Chosen:
    """Return the prompts' numbers."""
    splits = Counter(one.split for one in prompts)
    own = sum(1 for one in prompts if one.record)
    return Chosen(
        shipped=len(prompts) - own,
        own=own,
        train=splits["train"],
        screen=splits["screen"],
        by_language=dict(Counter(one.language or "?" for one in prompts).most_common()),
        by_domain=dict(Counter(one.domain or "?" for one in prompts).most_common()),
    )


def build(workshop: Workshop, prompts: tuple[CorePrompt, ...], *, report: Report) -> Path:
    """Ask the frozen base, and put the core set in force; return its file.

    What was forgotten while the base was asked is left out.

    Raises:
        RunnerError: the base cannot be loaded.
        DataError: too few of the prompts that judge could be answered.
    """
    answers = _answers(workshop, [one for one in prompts if one.split == "screen"], report=report)
    tasks = [
        CoreTask(
            id=one.id,
            split=one.split,
            messages=_messages(one),
            reference=answers.get(one.id, ""),
            language=one.language,
            domain=one.domain,
            record=one.record,
        )
        for one in prompts
        if one.split == "train" or answers.get(one.id, "").strip()
    ]
    if (judging := sum(1 for task in tasks if task.split == "screen")) < LEAST_SCREEN:
        raise DataError(
            f"the base answered {judging} of the prompts that judge, and {LEAST_SCREEN} are needed",
            hint="does the base have a chat template? see: laimark-sidecar doctor",
        )
    path = workshop.base.cache / NAME
    make_dir(path.parent)
    with _lock(workshop.home), workshop.store() as store:
        gone = store.oblivion.forgotten({task.record for task in tasks if task.record})
        write_core(path, [task for task in tasks if task.record not in gone])
    return path


def drop_prompts(home: Home, records: frozenset[str]) -> int:
    """Take out of every core set what was asked in these exchanges, with the answers to it; return how many prompts.

    The answers that the trainer keeps are named by digests that say not whose they are: all of that base's go, and it is
    asked again in the next cycle.

    Raises:
        LockedError: a core set is being written for longer than that takes.
        DataError: a core set is malformed.
    """
    dropped = 0
    with _lock(home):
        for path in sorted(home.bases.glob(f"*/{NAME}")):
            tasks = read_core(path)
            kept = [task for task in tasks if task.record not in records]
            if len(kept) < len(tasks):
                dropped += len(tasks) - len(kept)
                shutil.rmtree(path.parent / "core-answers", ignore_errors=True)
                write_core(path, kept)
    return dropped


def _lock(home: Home) -> AbstractContextManager[None]:
    return exclusive(
        home.root / "core.lock", "laimark-sidecar, which writes the core set", wait_s=_LOCK_WAIT_S
    )


def _messages(one: CorePrompt) -> tuple[Message, ...]:
    return (Message(role="user", content=one.prompt),)


def _own(workshop: Workshop, store: ReplayStore) -> Iterator[CorePrompt]:
    """Yield first questions of conversations that teach nothing and judge nothing, of people that are trusted."""
    policy, sources = policy_of(workshop, store), set(trusted(workshop.home))
    taught = {root_prompt(item.messages)[0].content for item in store.items()}
    opener = Opener(workshop.home.journal)
    for line in lines_of(workshop.home.journal):
        try:
            record = decode(opener.opened(line.content))
        except DataError:
            continue  # told by whoever learns from the journal; here it is one question less
        if isinstance(record, Exchange) and record.source in sources and _is_first(record):
            prompt = record.messages[-1].content
            if prompt not in taught and _may_stay(record, prompt, policy, workshop):
                yield CorePrompt(
                    id=f"own-{record.id}",
                    language=language_of(prompt),
                    domain=domain(prompt),
                    prompt=prompt,
                    record=record.id,
                )


def _is_first(record: Exchange) -> bool:
    """Whether it is one typed question and nothing else: what can be asked again as it was."""
    return (
        [message.role for message in record.messages] == ["user"]
        and record.messages[0].parts == 1
        and not record.messages[0].attachments
        and not record.background
        and not record.truncated
        and not is_background(record.messages)
    )


def _may_stay(record: Exchange, prompt: str, policy: Policy, workshop: Workshop) -> bool:
    share = workshop.config.replay.heldout_share
    return (
        len(prompt.strip()) > 0
        and len(prompt) <= _LONGEST
        and split_of(record.messages, share) == "train"
        and not policy.findings(prompt)
    )


def _answers(workshop: Workshop, prompts: list[CorePrompt], *, report: Report) -> dict[str, str]:
    job = ScoreJob(
        base_gguf=str(workshop.base.gguf),
        candidates=(Candidate(name=BASE),),
        answers=tuple(ScoreItem(id=one.id, messages=_messages(one), target="") for one in prompts),
        threads=workshop.config.training.threads,
        context=workshop.config.runner.context,
    )
    with tempfile.TemporaryDirectory(prefix="laimark-core-") as folder:
        scores = scored(
            workshop,
            job,
            Path(folder) / "scoring",
            label="asking the frozen base",
            report=report,
            should_stop=lambda: False,
        )
    return {one.id: one.text for one in scores.answers}
