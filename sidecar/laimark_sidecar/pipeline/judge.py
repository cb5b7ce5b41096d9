"""Steps 3 to 5: convert, score on the served artefact, judge; the largest adapter scale that passes the screen wins.

That one alone is asked of the promotion set (`confirm`).
"""

from __future__ import annotations

from pathlib import Path

from laimark_sidecar.pipeline.artefact import candidate
from laimark_sidecar.pipeline.confirm import confirm
from laimark_sidecar.pipeline.convert import convert
from laimark_sidecar.pipeline.core import load_core
from laimark_sidecar.pipeline.folder import CycleFolder, Judgement, Plan
from laimark_sidecar.pipeline.readiness import judges
from laimark_sidecar.pipeline.scoring import BASE, PREVIOUS, pair, score_item, scored
from laimark_sidecar.pipeline.workshop import Report, ShouldStop, Workshop
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.validation import evidence as evidence_file
from laimark_sidecar.validation.evidence import DriftScore, Evidence
from laimark_sidecar.validation.gate import Gate
from laimark_sidecar.validation.held_out_sets import OPENS_AT
from laimark_sidecar.validation.line_search import SCALES
from laimark_sidecar.validation.sameness import self_rouge
from laimark_sidecar.validation.scorer import Candidate, ScoreItem, ScoreJob, Scores
from laimark_sidecar.validation.statistics import level
from laimark_sidecar.validation.verdict import Verdict, judge

MAX_HELDOUT = 300
"""The newest: judging by the oldest for ever would miss every habit that the user has had since."""
MAX_CORE = 150
DRIFT_PROMPTS = 64
ANSWERED, ANSWER_TOKENS = 8, 48
"""Of the drift prompts, how many are answered freely, and how far: 28 pairs tell one answer from many."""
CANDIDATE = "candidate"


def judged(
    workshop: Workshop,
    store: ReplayStore,
    cycle: CycleFolder,
    plan: Plan,
    *,
    report: Report,
    should_stop: ShouldStop,
) -> Judgement:
    """Return the cycle's judgement, making it if it is not there yet; each scale's evidence is kept.

    Raises:
        ConversionError: the trained adapter cannot be converted faithfully.
        Yielded: asked to stop; evidence gathered so far stays.
    """
    done = cycle.judgement()
    if done:
        return done
    store.open_sets(at_least=OPENS_AT)
    judgement = _judge_at(SCALES[0], workshop, store, cycle, plan, report=report, should_stop=should_stop)
    for scale in SCALES[1:]:
        if judgement.verdict.accepted or hopeless(judgement.verdict):
            break
        judgement = _judge_at(scale, workshop, store, cycle, plan, report=report, should_stop=should_stop)
    passed_at = judgement.scale
    judgement = confirm(
        workshop,
        store,
        judgement,
        gate_of(workshop),
        lambda: converted(workshop, cycle, plan, passed_at),
        _serving(cycle),
        work=cycle.root / "scoring",
        report=report,
        should_stop=should_stop,
    )
    cycle.write_judgement(judgement)
    return judgement


def _judge_at(
    scale: float,
    workshop: Workshop,
    store: ReplayStore,
    cycle: CycleFolder,
    plan: Plan,
    *,
    report: Report,
    should_stop: ShouldStop,
) -> Judgement:
    evidence = gather(workshop, store, cycle, plan, scale, report=report, should_stop=should_stop)
    return Judgement(scale=scale, verdict=judge(evidence, gate_of(workshop)))


def hopeless(verdict: Verdict) -> bool:
    """Return whether a smaller scale cannot help: unmeasurable, far beyond the KL budget, or too little evidence.

    Nor does it help a candidate that is worse than the version that serves now: the scale shrinks that one's share too.
    """
    return verdict.hard or any(
        reason.check in ("enough", "previous") and not reason.passed for reason in verdict.reasons
    )


def gate_of(workshop: Workshop) -> Gate:
    """Return the gate's thresholds, its level spent over the versions accepted so far."""
    gate = workshop.config.gate
    return Gate(
        min_items=gate.min_items,
        min_gain=gate.min_gain,
        alpha=level(len(workshop.registry.versions()) + 1, alpha=gate.alpha),
        max_core_loss=gate.max_core_loss,
        kl_alarm=gate.kl_alarm,
        kl_stop=gate.kl_stop,
        min_entropy_ratio=gate.entropy_floor,
    )


def gather(
    workshop: Workshop,
    store: ReplayStore,
    cycle: CycleFolder,
    plan: Plan,
    scale: float,
    *,
    report: Report,
    should_stop: ShouldStop,
) -> Evidence:
    """Return the evidence for one scale, scoring the converted file on the very GGUF that is served."""
    path = cycle.evidence(scale)
    if path.is_file():
        return evidence_file.read(path)
    adapter = converted(workshop, cycle, plan, scale)
    evidence = measure(
        workshop,
        list(judges(workshop, store, limit=MAX_HELDOUT)),
        adapter,
        _serving(cycle),
        work=cycle.root / "scoring",
        scale=scale,
        report=report,
        should_stop=should_stop,
    )
    evidence_file.write(path, evidence)
    return evidence


def measure(
    workshop: Workshop,
    heldout: list[Item],
    adapter: Path,
    previous: Path | None,
    *,
    work: Path,
    scale: float,
    report: Report,
    should_stop: ShouldStop,
) -> Evidence:
    """Score what would be served of an adapter against the frozen base: held-out user items, core items, drift."""
    in_force = load_core(workshop.base)
    screen = in_force.screen
    core = [
        ScoreItem(id=task.id, messages=task.messages, target=task.reference) for task in screen[:MAX_CORE]
    ]
    with candidate(workshop, CANDIDATE, adapter) as served:
        candidates = [Candidate(name=BASE), served]
        if previous:
            candidates.append(Candidate(name=PREVIOUS, adapter_gguf=str(previous)))
        drift = tuple(
            ScoreItem(id=task.id, messages=task.messages, target="") for task in screen[-DRIFT_PROMPTS:]
        )
        job = ScoreJob(
            base_gguf=str(workshop.base.gguf),
            candidates=tuple(candidates),
            items=(*(score_item(item) for item in heldout), *core),
            kl_items=drift,
            answers=drift[:ANSWERED],
            answer_tokens=ANSWER_TOKENS,
            threads=workshop.config.training.threads,
            context=workshop.config.runner.context,
        )
        label = f"validating at scale {scale:g}"
        scores = scored(workshop, job, work, label=label, report=report, should_stop=should_stop)
    paired = pair(scores, CANDIDATE)
    user_ids, core_ids = {item.id for item in heldout}, {item.id for item in core}
    return Evidence(
        heldout=tuple(one for one in paired if one.id in user_ids),
        core=tuple(one for one in paired if one.id in core_ids),
        drift=tuple(
            DriftScore(
                id=one.id,
                kl=one.kl,
                entropy_base=one.base_entropy,
                entropy_candidate=one.entropy,
                tokens=one.tokens,
            )
            for one in scores.kl
            if one.candidate == CANDIDATE
        ),
        scale=scale,
        core_set=in_force.digest,
        sameness_base=_sameness(scores, BASE),
        sameness_candidate=_sameness(scores, CANDIDATE),
    )


def _sameness(scores: Scores, candidate: str) -> float | None:
    """Return how alike a candidate's free answers are. The figure alone is kept: the prompts may be the user's."""
    return self_rouge([answer.text for answer in scores.answers if answer.candidate == candidate])


def _serving(cycle: CycleFolder) -> Path | None:
    previous = cycle.parent / "adapter.gguf"
    return previous if previous.is_file() else None


def converted(workshop: Workshop, cycle: CycleFolder, plan: Plan, scale: float) -> Path:
    """Return the candidate's GGUF at one scale: the file that is scored and, if it passes, served."""
    out = cycle.candidate(scale)
    metadata = {"laimark.base_sha256": plan.base_sha256, "laimark.parent": plan.grows_on}
    convert(cycle.result / "adapter", workshop.base.gguf, out, scale=scale, metadata=metadata)
    return out
