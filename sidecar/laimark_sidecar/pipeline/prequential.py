"""Step 1b of a cycle: score what is new before it may be learned. That is the honest measure, and the surprise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import chain

import msgspec

from laimark_sidecar.files import write_atomic
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.pipeline.folder import CycleFolder, Plan
from laimark_sidecar.pipeline.scoring import BASE, pair, score_item, scored
from laimark_sidecar.pipeline.workshop import Report, ShouldStop, Workshop
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.replay.surprise import ItemLoss
from laimark_sidecar.validation.evidence import ItemScore
from laimark_sidecar.validation.score_job import Candidate, ScoreItem, ScoreJob

CURRENT = "current"
HINTED = "#hint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prequential:
    """`prequential.json`: the cycle's items under the base and under the version that answered until now."""

    version: str
    """Empty: the base answered, and both scores are its own."""
    items: tuple[ItemScore, ...]


def score_before_training(
    workshop: Workshop,
    store: ReplayStore,
    cycle: CycleFolder,
    plan: Plan,
    *,
    report: Report,
    should_stop: ShouldStop,
) -> None:
    """Make `prequential.json`, and tell the buffer how surprising each item is. Done once a cycle.

    Surprise is l(y|x) - l(y|x, hint): what the user's own words would have explained (learning.md).
    """
    path = cycle.root / "prequential.json"
    if path.is_file():
        return
    # The base cannot have forgotten what an adapter learned: without a parent there is nothing to ask about the rest.
    # Nor has one that begins at the base, whatever the version that serves has.
    asked = plan.sample_ids if plan.grows_on else plan.new_ids
    items = [item for item in map(store.get, dict.fromkeys(asked)) if item]
    current = cycle.parent / "adapter.gguf"
    job = ScoreJob(
        base_gguf=str(workshop.base.gguf),
        candidates=(
            Candidate(name=BASE),
            Candidate(name=CURRENT, adapter_gguf=str(current) if current.is_file() else ""),
        ),
        items=tuple(
            chain((score_item(item) for item in items), (_hinted(item) for item in items if item.hint))
        ),
        threads=workshop.config.training.threads,
        context=workshop.config.runner.context,
    )
    scores = scored(
        workshop,
        job,
        cycle.root / "scoring",
        label="scoring before training",
        report=report,
        should_stop=should_stop,
    )
    paired = {one.id: one for one in pair(scores, CURRENT)}
    store.record_surprise(_losses(items, paired, new=set(plan.new_ids)))
    plain = tuple(one for one in paired.values() if not one.id.endswith(HINTED))
    write_atomic(path, msgspec.json.encode(Prequential(version=plan.parent, items=plain)))


def _hinted(item: Item) -> ScoreItem:
    last = item.messages[-1]
    told = replace(last, content=f"{last.content}\n\n{item.hint}") if last.role == "user" else last
    extra = () if told is not last else (Message(role="user", content=item.hint),)
    return ScoreItem(id=item.id + HINTED, messages=(*item.messages[:-1], told, *extra), target=item.target)


def _losses(items: list[Item], paired: dict[str, ItemScore], *, new: set[str]) -> list[ItemLoss]:
    losses: list[ItemLoss] = []
    for item in items:
        loss = _loss(paired.get(item.id))
        if loss is None:
            continue
        # Without an explanation surprise is not known, and stays so; forgetting is known all the same. It is measured
        # against the first loss after the item was learned.
        accepted = None if item.id in new else loss
        hinted = _loss(paired.get(item.id + HINTED))
        losses.append(ItemLoss(id=item.id, loss=loss, loss_hint=hinted, loss_accepted=accepted))
    return losses


def _loss(score: ItemScore | None) -> float | None:
    """Return nats per token, if there is such a figure: a broken version says nothing about an item."""
    if score is None or not math.isfinite(score.candidate):
        return None
    return -score.candidate / score.tokens
