"""Step 5b: what passed the screen is asked once of held-out items that no cycle looks at, if there are enough of them.

Once a cycle, at the scale that the screen chose: a line search on these items would be a question for each scale. Nothing
but the answer is kept, in the verdict; the scores go with the scoring folder. A crash in between asks again, and gets the
same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from laimark_sidecar.pipeline.artefact import candidate
from laimark_sidecar.pipeline.folder import Judgement, cycles
from laimark_sidecar.pipeline.readiness import judges
from laimark_sidecar.pipeline.scoring import BASE, PREVIOUS, pair, score_item, scored
from laimark_sidecar.pipeline.workshop import Report, ShouldStop, Workshop
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.validation.evidence import ItemScore
from laimark_sidecar.validation.gate import Gate
from laimark_sidecar.validation.held_out_sets import MAX_PROMOTION, MIN_PROMOTION
from laimark_sidecar.validation.ladder import answer
from laimark_sidecar.validation.score_job import Candidate, ScoreJob
from laimark_sidecar.validation.verdict import confirmed

CANDIDATE = "candidate"


def confirm(
    workshop: Workshop,
    store: ReplayStore,
    judgement: Judgement,
    gate: Gate,
    adapter: Callable[[], Path],
    previous: Path | None,
    *,
    work: Path,
    report: Report,
    should_stop: ShouldStop,
) -> Judgement:
    """Return the judgement after the promotion set; as it is where it is a refusal, or where that set is too small.

    `adapter` makes the candidate's file, and is called only if there is a question to ask.

    Raises:
        Yielded: asked to stop; nothing is known yet.
        RunnerError: the base or an adapter cannot be loaded.
    """
    if not judgement.verdict.accepted:
        return judgement
    items = judges(workshop, store, limit=MAX_PROMOTION, of="promotion")
    if len(items) < MIN_PROMOTION:
        return judgement
    scores = scored_items(
        workshop,
        items,
        adapter(),
        previous,
        work=work,
        label="asking the promotion set",
        report=report,
        should_stop=should_stop,
    )
    if len(scores) < MIN_PROMOTION:  # some do not fit the context any more, or the template refuses them
        return judgement
    # The set has a level of its own: what it refused spends it, not what the screen has let through.
    whole = replace(gate, alpha=workshop.config.gate.alpha)
    found = answer(scores, whole, best=best_so_far(workshop), refused=refused_so_far(workshop))
    return replace(judgement, verdict=confirmed(judgement.verdict, found))


def scored_items(
    workshop: Workshop,
    items: Sequence[Item],
    adapter: Path,
    previous: Path | None,
    *,
    work: Path,
    label: str,
    report: Report,
    should_stop: ShouldStop,
) -> tuple[ItemScore, ...]:
    """Score what would be served of an adapter, and what serves now, on these items, each beside the frozen base."""
    with candidate(workshop, CANDIDATE, adapter) as served:
        others = (Candidate(name=PREVIOUS, adapter_gguf=str(previous)),) if previous else ()
        job = ScoreJob(
            base_gguf=str(workshop.base.gguf),
            candidates=(Candidate(name=BASE), served, *others),
            items=tuple(map(score_item, items)),
            threads=workshop.config.training.threads,
            context=workshop.config.runner.context,
        )
        scores = scored(workshop, job, work, label=label, report=report, should_stop=should_stop)
    return pair(scores, CANDIDATE)


def best_so_far(workshop: Workshop) -> float:
    """Return the best gain on the promotion set that was ever told of a version for this base; 0 for none.

    Nothing is stored for it: only versions that passed were told of, and each keeps what it was.
    """
    base = workshop.base.identity.sha256
    told = (
        one.metrics.get("promotion_best", 0.0)
        for one in workshop.registry.versions()
        if one.base.sha256 == base
    )
    return max(told, default=0.0)


def refused_so_far(workshop: Workshop) -> int:
    """Return how many candidates for this base the promotion set has refused, by the verdicts of their cycles.

    Raises:
        StateError: a cycle's record is damaged; names it.
    """
    count = 0
    for cycle in cycles(workshop.home.cycles):
        judgement, plan = cycle.judgement(), cycle.plan()
        if judgement and plan and plan.base_sha256 == workshop.base.identity.sha256:
            count += "promotion" in judgement.verdict.sets and not judgement.verdict.accepted
    return count
