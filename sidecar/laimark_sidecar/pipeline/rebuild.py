"""Learns anew without what was forgotten: back to the last clean version at once, and its lessons count as new."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from laimark_sidecar.pipeline.following import LATEST
from laimark_sidecar.pipeline.promote import use
from laimark_sidecar.pipeline.taint import clean_ancestor, tainted
from laimark_sidecar.pipeline.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilding:
    """What the next cycle starts from."""

    serves: str
    """What answers now; empty for the base."""
    lessons: int
    """How many lessons are to be learned again."""


def step_back(workshop: Workshop) -> Rebuilding:
    """Serve the last clean ancestor if what answers is tainted, and let what only tainted versions learned be new again.

    The next cycle goes on from there: through the gate, as any other. Safe to repeat.

    Raises:
        RunnerError: the runner is not reachable; nothing was changed.
    """
    latest = workshop.registry.refs().get(LATEST, "")
    serves = clean_ancestor(workshop, latest) if latest else ""
    if serves != latest:
        use(workshop, serves or "base")
    return Rebuilding(serves=serves, lessons=unlearn(workshop, tainted(workshop)))


def unlearn(workshop: Workshop, names: Collection[str]) -> int:
    """Let lessons count as new that no version but these has learned; returns how many do.

    Without this, what only a removed version knew would count as seen for ever and never be learned again.
    """
    versions = workshop.registry.versions()
    kept = {one for version in versions if version.name not in names for one in version.sample_ids}
    with workshop.store() as store:
        return store.oblivion.count_as_new([one.cycle for one in versions if one.name in names], known=kept)
