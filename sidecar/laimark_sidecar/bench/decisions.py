"""What the gate did in a run, seed by seed. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from laimark_sidecar.bench.results import CellResult


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRecord:
    """The decisions over one seed's cycles."""

    seed: int
    promotions: int
    """Candidates that were accepted."""
    refused: int
    refused_by: dict[str, int]
    """How many refused candidates failed a check, at the smallest scale that was tried; one may fail several."""
    final_scale: float | None
    """Of the last candidate that was accepted; None where none was."""


def gate_record(cells: Sequence[CellResult]) -> GateRecord | None:
    """Return what was decided over the cells of one arm and seed; None where no gate decides."""
    decisions = [cell.decision for cell in cells if cell.decision is not None]
    if not decisions:
        return None
    scales = [decision.scale for decision in decisions if decision.accepted]
    failed = Counter(check for decision in decisions if not decision.accepted for check in decision.failed)
    return GateRecord(
        seed=cells[0].seed,
        promotions=len(scales),
        refused=len(decisions) - len(scales),
        refused_by=dict(failed.most_common()),
        final_scale=scales[-1] if scales else None,
    )
