"""Steps back by itself from a version that serves the user worse than the base, by what he brought since.

Nothing is stored for it: every cycle's `prequential.json` says how the version that served then did on lessons that were
new then, so what an ancestor did counts for its descendants, and stepping back leaves behind what spoke against the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import StateError
from laimark_sidecar.pipeline.folder import CycleFolder, cycles
from laimark_sidecar.pipeline.following import LATEST
from laimark_sidecar.pipeline.prequential import Prequential
from laimark_sidecar.pipeline.promote import use
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.validation.e_process import LIMIT, e_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """How a version and those it grew from did on fresh lessons."""

    version: str
    """Empty: the base, which cannot be worse than itself."""
    e: float
    lessons: int

    @property
    def shown(self) -> bool:
        """Whether it is beyond doubt that the base would have served better."""
        return self.e >= LIMIT


def harm(workshop: Workshop, version: str) -> Harm:
    """Return what fresh lessons say against a version; a missing link in its lineage ends what is counted.

    Raises:
        StateError: a cycle's or a version's record is damaged; names it.
    """
    served = _lineage(workshop, version)
    told: list[dict[str, float]] = []
    seen: set[str] = set()
    for cycle in cycles(workshop.home.cycles):
        # An abandoned cycle's lessons come again: what is bet on twice is no fresh lesson the second time.
        fresh = {lesson: margin for lesson, margin in _margins(cycle, served) if lesson not in seen}
        seen |= fresh.keys()
        told += [fresh] if fresh else []
    return Harm(version=version, e=e_value([fresh.values() for fresh in told]), lessons=len(seen))


def step_back_from_harm(workshop: Workshop) -> str:
    """Serve the nearest ancestor that nothing is said against, if much is said against what serves.

    Returns why, as a sentence; empty where nothing was done.

    Raises:
        RunnerError: the runner is not reachable; nothing was changed.
        StateError: a cycle's record is damaged.
    """
    latest = workshop.registry.refs().get(LATEST, "")
    found = harm(workshop, latest)
    if not latest or not found.shown:
        return ""
    ancestors = _lineage(workshop, latest)[1:]
    target = next((name for name in ancestors if not harm(workshop, name).shown), "")
    reason = (
        f"{latest} answered {found.lessons} fresh lessons worse than the base (e-value {found.e:.0f}, "
        f"limit {LIMIT:.0f})"
    )
    use(workshop, target or "base", reason=reason)
    return f"{reason}: back to {target or 'base'}"


def _lineage(workshop: Workshop, version: str) -> tuple[str, ...]:
    """Return a version and those it grew from, the nearest first, as far as they are known."""
    names: list[str] = []
    known = set(workshop.registry.names())
    while version in known and version not in names:
        names.append(version)
        version = workshop.registry.get(version).parent
    return tuple(names)


def _margins(cycle: CycleFolder, served: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    plan, path = cycle.plan(), cycle.root / "prequential.json"
    if plan is None or not plan.parent or plan.parent not in served:
        return
    try:
        scores = decode_json(path.read_bytes(), Prequential)
    except FileNotFoundError:
        return
    except (MalformedError, OSError) as error:
        raise StateError(
            f"{path} is damaged: {error}", hint=f"move {cycle.root} away: what it says is then not counted"
        ) from error
    fresh = set(plan.new_ids)
    yield from ((one.id, one.margin) for one in scores.items if one.id in fresh)
