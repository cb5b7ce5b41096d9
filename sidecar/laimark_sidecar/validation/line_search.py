"""How much of what was learned may serve: the largest scale of the adapter that passes the gate."""

from __future__ import annotations

from collections.abc import Sequence

from laimark_sidecar.validation.verdict import Verdict

SCALES = (1.0, 0.75, 0.5, 0.25)
"""Tried from the largest down; what passes at none of them is rejected."""


def choose(verdicts: Sequence[tuple[float, Verdict]]) -> tuple[float, Verdict] | None:
    """Return the largest scale that was accepted, with its verdict; None where none was."""
    return max((pair for pair in verdicts if pair[1].accepted), key=lambda pair: pair[0], default=None)
