"""Evidence for tests of the gate: candidates whose margins are given, and nothing else changes."""

from __future__ import annotations

from collections.abc import Sequence

from laimark_sidecar.validation.evidence import DriftScore, Evidence, ItemScore

TOKENS = 10
GOOD = tuple(0.2 + 0.02 * number for number in range(30))
"""Held-out margins in nats per token: mean 0.49, all above zero."""
STILL = tuple(0.01 * (number % 3 - 1) for number in range(30))
"""Core margins: mean 0."""


def item(number: int, margin: float, *, step: float | None = None) -> ItemScore:
    """Return an item of ten tokens; `step` is its margin over the previous version."""
    base = -20.0
    candidate = base + margin * TOKENS
    return ItemScore(
        id=f"item-{number}",
        tokens=TOKENS,
        base=base,
        candidate=candidate,
        previous=None if step is None else candidate - step * TOKENS,
        exact_base=False,
        exact_candidate=margin > 0.5,
    )


def evidence(
    *,
    heldout: Sequence[float] = GOOD,
    core: Sequence[float] = STILL,
    kl: float = 0.02,
    entropy_ratio: float = 0.95,
    steps: Sequence[float | None] | None = None,
    prompts: int = 16,
    scale: float = 1.0,
) -> Evidence:
    """Return evidence that passes unless told otherwise."""
    over = steps if steps is not None else [None] * len(heldout)
    return Evidence(
        heldout=tuple(
            item(n, margin, step=step) for n, (margin, step) in enumerate(zip(heldout, over, strict=True))
        ),
        core=tuple(item(n, margin) for n, margin in enumerate(core)),
        drift=tuple(
            DriftScore(id=f"d{n}", kl=kl, entropy_base=2.0, entropy_candidate=2.0 * entropy_ratio, tokens=8)
            for n in range(prompts)
        ),
        scale=scale,
    )
