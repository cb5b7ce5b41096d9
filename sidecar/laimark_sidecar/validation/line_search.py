"""How much of what was learned may serve: the largest scale of the adapter that passes the gate."""

from __future__ import annotations

SCALES = (1.0, 0.75, 0.5, 0.25)
"""Tried from the largest down until one passes; what passes at none of them is rejected."""
