"""The report as two pictures: retention against gain after the last cycle, and four curves over the cycles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from laimark_sidecar.bench.report import ArmReport


_CURVES = (
    ("personal_gain", "learning: personal gain, nats a token"),
    ("core_kept", "retention: core tokens kept"),
    ("kl", "KL to the base on core prompts, nats"),
    ("backward_transfer", "backward transfer, nats a token"),
)


def draw(arms: Sequence[ArmReport], to: Path, name: str) -> list[str]:
    """Write the plots; return their file names."""
    learning = [arm for arm in arms if arm.final["kl"].mean < 0.2]  # prompt memory is an order further away
    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    for arm in learning:
        axes.scatter(arm.final["kl"].mean, arm.final["personal_gain"].mean, s=18)
        axes.annotate(
            arm.arm,
            (arm.final["kl"].mean, arm.final["personal_gain"].mean),
            fontsize=7,
            xytext=(4, 2),
            textcoords="offset points",
        )
    axes.set(xlabel="KL to the base on held-out core prompts, nats", ylabel="personal gain, nats a token")
    tradeoff = _save(figure, to / f"{name}_tradeoff.png")
    figure, grid = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    for (field, title), axes in zip(_CURVES, grid.flat, strict=True):
        for arm in learning:
            points = [point for point in arm.curve if field in point]
            cycles = [point["cycle"] for point in points]
            axes.plot(cycles, [point[field] for point in points], marker=".", linewidth=1, label=arm.arm)
        axes.set(xlabel="cycle", ylabel=title)
    grid.flat[0].legend(fontsize=6, ncols=2)
    return [tradeoff, _save(figure, to / f"{name}_curves.png")]


def _save(figure: Any, path: Path) -> str:
    figure.savefig(path, dpi=90)
    plt.close(figure)
    return path.name
