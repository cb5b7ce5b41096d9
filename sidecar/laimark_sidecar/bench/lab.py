"""What all arms of a seed share: the model, the questions as tokens, the core, and the adapter that everyone begins with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from laimark_sidecar.bench.backend import BenchBackend
from laimark_sidecar.bench.base import digest, text_of
from laimark_sidecar.bench.core import Core, CorePrompt
from laimark_sidecar.bench.library import library_tasks
from laimark_sidecar.bench.questions import Question, question
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.bench.stream import Stream
from laimark_sidecar.clock import Clock
from laimark_sidecar.demo.code_tasks import Task
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.training.adapter_kind import AdapterKind
from laimark_sidecar.training.job import TrainJob
from laimark_sidecar.training.worker.core_answers import AnswerCache
from laimark_sidecar.training.worker.tokens import ChatTokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """One seed's laboratory; the backend's adapter is the only thing that changes."""

    settings: Settings
    seed: int
    backend: BenchBackend
    tokenizer: ChatTokenizer
    text_of: Callable[[Sequence[int]], str]
    clock: Clock
    users: tuple[str, ...]
    """Who works in each cycle."""
    cycles: tuple[tuple[Question, ...], ...]
    exams: dict[str, tuple[Question, ...]]
    core_replay: tuple[Question, ...]
    core_wide: tuple[Question, ...]
    core_watched: tuple[Question, ...]
    core_exam: tuple[Question, ...]
    core_gold: tuple[Question, ...]
    """The same prompts with what their files really say."""
    library: tuple[Question, ...]
    """See `Settings.library`."""


def first_job(settings: Settings, *, seed: int, kind: AdapterKind = "lora") -> TrainJob:
    """Return the job that every cycle's is made from; its paths are filled in per cycle."""
    return TrainJob(
        base_dir=settings.base,
        base_sha256="0" * 64,
        examples="",
        out_dir="",
        work_dir="",
        cache_dir="",
        device=settings.device,
        seed=seed,
        steps=settings.steps,
        batch_size=settings.batch,
        learning_rate=settings.learning_rate,
        adapter=kind,
        rank=settings.rank,
        alpha=settings.alpha,
        lambda_user=settings.lambda_user,
        gamma=settings.gamma,
        kl_soft=settings.kl_soft,
        checkpoint_every_steps=1_000_000,
    )


def set_up(
    settings: Settings,
    stream: Stream,
    core: Core,
    out: Path,
    *,
    seed: int,
    clock: Clock,
    say: Callable[[str], None],
) -> Lab:
    """Load the base and ask it for its core answers (once a run folder: they are cached).

    Raises:
        TrainingError: the folder holds no model that can be loaded, or no usable tokenizer or template.
    """
    backend = BenchBackend(first_job(settings, seed=seed), autocast=settings.autocast)
    tokenizer = ChatTokenizer(Path(settings.base))
    precision = "bf16" if settings.autocast else "fp32"
    cache = AnswerCache(
        folder=out / f"core-answers-{precision}",
        base_sha256=digest(Path(settings.base)),
    )

    def ask(prompts: Sequence[CorePrompt]) -> tuple[Question, ...]:
        asked = []
        for number, prompt in enumerate((one.prompt for one in prompts), start=1):
            if number % 50 == 0:
                say(f"core answers: {number} of {len(prompts)}")
            ids = tokenizer.prompt_ids((Message(role="user", content=prompt),))
            item = cache.item(backend, ids, weight=1.0, end_ids=tokenizer.end_ids[-1:])
            asked.append(Question(prompt=prompt, answer="", answer_ids=item.ids[len(ids) :], base=item.base))
        return tuple(asked)

    screened = core.screen[: settings.core_exam]
    trained = ask(core.train[: settings.core_replay + settings.core_watched])
    return Lab(
        settings=settings,
        seed=seed,
        backend=backend,
        tokenizer=tokenizer,
        text_of=text_of(Path(settings.base)),
        clock=clock,
        users=tuple(cycle.user for cycle in stream.cycles),
        cycles=tuple(tuple(question(tokenizer, task) for task in cycle.tasks) for cycle in stream.cycles),
        exams={
            name: tuple(question(tokenizer, task) for task in tasks) for name, tasks in stream.exams.items()
        },
        core_replay=trained[settings.core_watched :],
        core_wide=ask(_wide(settings)),
        core_watched=trained[: settings.core_watched],
        core_exam=ask(screened),
        core_gold=tuple(
            question(tokenizer, Task(kind="complete", prompt=one.prompt, answer=one.gold)) for one in screened
        ),
        library=tuple(
            question(tokenizer, task)
            for task in (
                library_tasks(Path(settings.base), count=settings.library) if settings.library else ()
            )
        ),
    )


def of_kind(lab: Lab, kind: AdapterKind) -> Lab:
    """Return the laboratory with an adapter of this kind; the base is loaded anew where it is another than before."""
    if lab.backend.kind == kind:
        return lab
    job = first_job(lab.settings, seed=lab.seed, kind=kind)
    return replace(lab, backend=BenchBackend(job, autocast=lab.settings.autocast))


def _wide(settings: Settings) -> tuple[CorePrompt, ...]:
    if not settings.core_wide:
        return ()
    tasks = library_tasks(Path(settings.base), count=settings.core_wide, trained_on=True)
    return tuple(CorePrompt(prompt=task.prompt, gold=task.answer) for task in tasks)
