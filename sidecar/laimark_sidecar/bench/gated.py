"""The gate in the stream: a part of the tasks is held out, and only what the product's verdict accepts goes on.

As in the product (`pipeline.judge`): against the frozen base on held-out tasks and core prompts, against what served
until now, over falling scales, with the level of the k-th promotion. Less of everything, because a cycle is short: at most
`MAX_HELDOUT` tasks and the lab's core exam. What is scored is the model that trains, not a converted file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from laimark_sidecar.bench.lab import Lab
from laimark_sidecar.bench.lessons import bare_items
from laimark_sidecar.bench.questions import Question
from laimark_sidecar.bench.results import Decision
from laimark_sidecar.bench.scoring import Asked, Scores, score, score_once
from laimark_sidecar.pipeline.judge import hopeless
from laimark_sidecar.training.worker.backend import adapter_tensors, set_adapter
from laimark_sidecar.training.worker.losses import Item
from laimark_sidecar.validation.evidence import DriftScore, Evidence, ItemScore
from laimark_sidecar.validation.gate import Gate
from laimark_sidecar.validation.line_search import SCALES
from laimark_sidecar.validation.statistics import level
from laimark_sidecar.validation.verdict import judge

HELD_OUT_EVERY = 4
"""One task in so many is never learned from."""
MAX_HELDOUT = 64
"""The newest."""


def taught(lab: Lab) -> Lab:
    """Return the laboratory without its held-out tasks: what lessons and tasks of the past are drawn from."""
    kept = tuple(tuple(q for place, q in enumerate(cycle) if not _is_held_out(place)) for cycle in lab.cycles)
    return replace(lab, cycles=kept)


def held_out(lab: Lab, cycle: int) -> tuple[Question, ...]:
    """Return the newest held-out tasks after `cycle`, newest first; of a laboratory with all its tasks."""
    asked = [q for done in lab.cycles[:cycle] for place, q in enumerate(done) if _is_held_out(place)]
    return tuple(reversed(asked[-MAX_HELDOUT:]))


def decide(lab: Lab, cycle: int, before: dict[str, Tensor], promotions: int) -> Decision:
    """Judge the adapter as it stands in the backend, which is left at the scale that passed, or at `before`.

    `before` is what served until now, `promotions` how many candidates have been accepted so far.
    """
    trained = adapter_tensors(lab.backend.layers)
    exam = _Exam(
        heldout=bare_items(lab, held_out(lab, cycle), "new"),
        core=bare_items(lab, lab.core_gold, "new"),
        drift=bare_items(lab, lab.core_watched, "core"),
    )
    previous = _of_what_serves(lab, exam.heldout, before) if promotions else ()
    _serve(lab, trained)
    gate = Gate(alpha=level(promotions + 1, alpha=Gate().alpha))
    verdict = judge(_evidence(lab, exam, previous, scale := SCALES[0]), gate)
    for smaller in SCALES[1:]:
        if verdict.accepted or hopeless(verdict):
            break
        scale = smaller
        _serve(lab, {name: t * scale if ".lora_B." in name else t for name, t in trained.items()})
        verdict = judge(_evidence(lab, exam, previous, scale), gate)
    if not verdict.accepted:
        _serve(lab, before)
    return Decision(
        accepted=verdict.accepted,
        scale=scale,
        promotions=promotions + verdict.accepted,
        failed=tuple(reason.check for reason in verdict.reasons if not reason.passed),
        metrics={name: round(figure, 5) for name, figure in verdict.metrics.items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exam:
    heldout: tuple[Item, ...]
    core: tuple[Item, ...]
    drift: tuple[Item, ...]


def _is_held_out(place: int) -> bool:
    return place % HELD_OUT_EVERY == HELD_OUT_EVERY - 1


def _serve(lab: Lab, adapter: dict[str, Tensor]) -> None:
    set_adapter(lab.backend.layers, adapter, Path("the gate"))


def _evidence(lab: Lab, exam: _Exam, previous: Sequence[float], scale: float) -> Evidence:
    known = lab.backend.scores_of(adapter_tensors(lab.backend.layers))
    now = score(lab.backend, exam.drift)
    frozen = _of_base(lab, exam.drift)
    return Evidence(
        heldout=_paired(lab, exam.heldout, previous, known),
        core=_paired(lab, exam.core, (), known),
        drift=tuple(
            DriftScore(
                id=str(number),
                kl=now.kl[number],
                entropy_base=frozen.entropy[number],
                entropy_candidate=now.entropy[number],
                tokens=len(item.positions),
            )
            for number, item in enumerate(exam.drift)
        ),
        scale=scale,
    )


def _paired(
    lab: Lab, items: tuple[Item, ...], previous: Sequence[float], known: dict[Asked, Scores]
) -> tuple[ItemScore, ...]:
    frozen, now = _of_base(lab, items), score_once(lab.backend, items, known)
    counts = [len(item.positions) for item in items]
    return tuple(
        ItemScore(
            id=str(number),
            tokens=tokens,
            base=-frozen.nll[number] * tokens,
            candidate=-now.nll[number] * tokens,
            previous=-previous[number] * tokens if previous else None,
            exact_base=frozen.exact[number] == 1.0,
            exact_candidate=now.exact[number] == 1.0,
        )
        for number, tokens in enumerate(counts)
    )


def _of_what_serves(lab: Lab, items: tuple[Item, ...], before: dict[str, Tensor]) -> tuple[float, ...]:
    """Return nats a token of what serves; what the same adapter was asked for an earlier candidate is not asked again."""
    _serve(lab, before)
    return score_once(lab.backend, items, lab.backend.scores_of(before)).nll


def _of_base(lab: Lab, items: tuple[Item, ...]) -> Scores:
    with lab.backend.base_only():
        return score_once(lab.backend, items, lab.backend.frozen_scores)
