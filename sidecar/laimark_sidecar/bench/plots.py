"""The report as two plots: retention against gain after the last cycle, and the score over the cycles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from laimark_sidecar.bench.report import ArmReport


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
    figure, both = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for arm in learning:
        cycles = [point["cycle"] for point in arm.curve]
        for axes, field in zip(both, ("personal_gain", "core_kept"), strict=True):
            axes.plot(cycles, [point[field] for point in arm.curve], marker=".", linewidth=1, label=arm.arm)
    both[0].set(xlabel="cycle", ylabel="personal gain, nats a token")
    both[1].set(xlabel="cycle", ylabel="core tokens kept")
    both[1].legend(fontsize=6, ncols=2)
    return [tradeoff, _save(figure, to / f"{name}_curves.png")]


def _save(figure: Any, path: Path) -> str:
    figure.savefig(path, dpi=90)
    plt.close(figure)
    return path.name
