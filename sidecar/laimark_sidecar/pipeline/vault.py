"""Looking into the vault: how good a version is on held-out items that never decided anything. Each look is on record.

A look is worth less the more often somebody acts on one, so the number of earlier looks is told with each figure.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.errors import StateError
from laimark_sidecar.pipeline.base import require_same
from laimark_sidecar.pipeline.confirm import scored_items
from laimark_sidecar.pipeline.readiness import judges
from laimark_sidecar.pipeline.workshop import Report, Workshop
from laimark_sidecar.registry.version import Version
from laimark_sidecar.replay.item import Item
from laimark_sidecar.validation.held_out_sets import MAX_PROMOTION, OPENS_AT
from laimark_sidecar.validation.statistics import Estimate, estimate

LOOKED = "looked into the vault"
"""How the record of each look begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look told."""

    version: str
    gain: Estimate
    """Of the right answers over the frozen base, in nats per token; two-sided 95%."""
    looks_before: int
    """Of any version: what was learned from one is known to whoever judges the next."""


def look_into_vault(workshop: Workshop, version: Version, *, report: Report) -> Look:
    """Score a version on the vault. The look is on record, durably, before its figure is known. Decides nothing.

    Raises:
        StateError: the vault is empty; nothing was recorded.
        BaseChangedError: the version was made for another base than the configured one.
        RunnerError: its file cannot be loaded.
    """
    require_same(version.base, workshop.base.identity, where=version.name)
    before = sum(entry.reason.startswith(LOOKED) for entry in workshop.registry.history())
    items = _vault(workshop)
    workshop.registry.note(f"{LOOKED} for {version.name} ({len(items)} items)")
    with tempfile.TemporaryDirectory(prefix="laimark-vault-") as folder:
        scores = scored_items(
            workshop,
            items,
            workshop.registry.objects.path(version.objects["adapter.gguf"]),
            None,
            work=Path(folder) / "scoring",
            label="looking into the vault",
            report=report,
            should_stop=lambda: False,
        )
    if not scores:
        raise StateError(
            "no item of the vault can be scored with this base", hint="see: laimark-sidecar doctor"
        )
    gain = estimate([one.margin for one in scores], alpha=0.05)
    return Look(version=version.name, gain=gain, looks_before=before)


def _vault(workshop: Workshop) -> tuple[Item, ...]:
    with workshop.store() as store:
        items = judges(workshop, store, limit=MAX_PROMOTION, of="vault")
    if not items:
        raise StateError(
            "the vault is empty",
            hint=f"it gets a tenth of the conversations that are held out after the first {OPENS_AT} examples are",
        )
    return items
