"""A picture of learning: how often the answer was right after each cycle, next to the frozen base."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.errors import MissingExtraError
from laimark_sidecar.files import write_atomic

SIZE_INCHES = (7.0, 3.6)
DPI = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The state after one cycle; cycle 0 is the base."""

    cycle: int
    exact: float
    """Share of answers that match exactly, 0 to 1."""
    similarity: float
    """Mean edit similarity, 0 to 1."""
    kl: float
    """Mean KL to the frozen base on core prompts, nats."""


def draw_learning_curve(points: Sequence[Point], path: Path, *, title: str) -> Path:
    """Write a PNG: accuracy over cycles on the left, drift from the base on the right. Replaces `path` atomically.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "the picture needs matplotlib", hint='pip install "laimark-sidecar[plots]"'
        ) from error
    cycles = [point.cycle for point in points]
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained")
    accuracy, drift = figure.subplots(1, 2, width_ratios=(2, 1))
    accuracy.plot(cycles, [100 * point.exact for point in points], "o-", label="exact match")
    accuracy.plot(cycles, [100 * point.similarity for point in points], "s-", label="edit similarity")
    accuracy.set(xlabel="cycles", ylabel="%", title=title, xticks=cycles)
    accuracy.set_ylim(bottom=0)
    accuracy.legend(frameon=False)
    drift.plot(cycles, [point.kl for point in points], "o-", color="tab:red")
    drift.set(xlabel="cycles", ylabel="nats", title="KL to the base, core", xticks=cycles)
    drift.set_ylim(bottom=0)
    for axes in (accuracy, drift):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_atomic(path, content.getvalue())
    return path
