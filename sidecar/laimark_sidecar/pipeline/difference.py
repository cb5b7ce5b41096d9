"""What distinguishes two versions: what they learned, their figures, their weights, and what they answer."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from laimark_converters.errors import ConversionError as Refused
from laimark_converters.update_distance import LayerDistance, update_distances
from laimark_sidecar.errors import ConversionError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.pipeline.base import require_same
from laimark_sidecar.pipeline.core import load_core
from laimark_sidecar.pipeline.scoring import scored
from laimark_sidecar.pipeline.workshop import Report, Workshop
from laimark_sidecar.registry.version import Version
from laimark_sidecar.validation.score_job import Candidate, ScoreItem, ScoreJob

A, B = "a", "b"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPair:
    """The greedy answers of both to one prompt."""

    prompt: str
    a: str
    b: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two versions beside each other; None stands for the base, which has learned nothing."""

    a: str
    b: str
    same_core: bool
    """Both were judged by the same core set; of different ones the figures of the core are not comparable."""
    metrics: dict[str, tuple[float | None, float | None]]
    """Of each version's own verdict: measured on what was held out at its time."""
    only_a: tuple[str, ...]
    """Ids of lessons in the last cycle of `a` alone; what their ancestors learned is not looked at."""
    only_b: tuple[str, ...]
    both: int
    layers: tuple[LayerDistance, ...]
    answers: tuple[AnswerPair, ...]


def difference(
    workshop: Workshop,
    a: Version | None,
    b: Version | None,
    *,
    prompts: Sequence[str],
    report: Report,
) -> Difference:
    """Compare two versions of the configured base.

    Args:
        workshop: the home.
        a: one version; None is the base.
        b: the other.
        prompts: what both are asked, through llama.cpp on the served base; none asks nothing and loads no model.
        report: progress of the asking.

    Raises:
        BaseChangedError: a version was made for another base.
        ConversionError: an adapter's file is damaged.
        RunnerError: an adapter's file cannot be loaded.
    """
    for version in (a, b):
        if version:
            require_same(version.base, workshop.base.identity, where=version.name)
    learned_a, learned_b = (set(version.sample_ids if version else ()) for version in (a, b))
    return Difference(
        a=_name(a),
        b=_name(b),
        same_core=len({version.core for version in (a, b) if version and version.core}) < 2,
        metrics=_metrics(a, b),
        only_a=tuple(sorted(learned_a - learned_b)),
        only_b=tuple(sorted(learned_b - learned_a)),
        both=len(learned_a & learned_b),
        layers=_layers(_adapter(workshop, a), _adapter(workshop, b)),
        answers=_answers(workshop, a, b, prompts, report=report) if prompts else (),
    )


def fixed_prompts(workshop: Workshop, count: int) -> tuple[str, ...]:
    """Return prompts that no version is ever trained on, the same for every pair: of the base's core set."""
    return tuple(task.messages[-1].content for task in load_core(workshop.base).screen[:count])


def _name(version: Version | None) -> str:
    return version.name if version else "base"


def _adapter(workshop: Workshop, version: Version | None) -> Path | None:
    return workshop.registry.objects.path(version.objects["adapter.gguf"]) if version else None


def _metrics(a: Version | None, b: Version | None) -> dict[str, tuple[float | None, float | None]]:
    of_a, of_b = (version.metrics if version else {} for version in (a, b))
    return {name: (of_a.get(name), of_b.get(name)) for name in sorted({*of_a, *of_b})}


def _layers(a: Path | None, b: Path | None) -> tuple[LayerDistance, ...]:
    try:
        return update_distances(a, b)
    except Refused as error:
        raise ConversionError(str(error), hint=error.hint or "laimark-sidecar check") from error


def _answers(
    workshop: Workshop, a: Version | None, b: Version | None, prompts: Sequence[str], *, report: Report
) -> tuple[AnswerPair, ...]:
    candidates = tuple(
        Candidate(name=name, adapter_gguf=str(_adapter(workshop, version) or ""))
        for name, version in ((A, a), (B, b))
    )
    job = ScoreJob(
        base_gguf=str(workshop.base.gguf),
        candidates=candidates,
        answers=tuple(
            ScoreItem(id=str(number), messages=(Message(role="user", content=prompt),), target="")
            for number, prompt in enumerate(prompts)
        ),
        threads=workshop.config.training.threads,
        context=workshop.config.runner.context,
    )
    with tempfile.TemporaryDirectory(prefix="laimark-diff-") as folder:
        scores = scored(
            workshop,
            job,
            Path(folder) / "scoring",
            label="asking both",
            report=report,
            should_stop=lambda: False,
        )
    said = {(one.id, one.candidate): one.text for one in scores.answers}
    return tuple(
        AnswerPair(prompt=prompt, a=said[str(number), A], b=said[str(number), B])
        for number, prompt in enumerate(prompts)
        if (str(number), A) in said
    )
