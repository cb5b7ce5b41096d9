"""Reads a run folder, finished or not: a table of the arms, how they compare with the default, and the curves."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev

import msgspec

from laimark_sidecar.bench.arms import ARMS
from laimark_sidecar.bench.metrics import (
    Standing,
    nats_differences,
    prequential,
    score_differences,
    split_gains,
    standing,
)
from laimark_sidecar.bench.results import CellResult, read_cells, read_seen, seed_folder
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.bench.tables import comparison_table, heading, results_table
from laimark_sidecar.errors import DataError
from laimark_sidecar.files import make_dir, write_atomic
from laimark_sidecar.validation.statistics import Estimate, estimate

REFERENCE = "replay+input"
"""The product's default: what every other arm is compared with."""
LEVEL = 0.05

Cells = Mapping[int, Sequence[CellResult]]
"""An arm's cells by seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A figure over the seeds."""

    mean: float
    by_seed: tuple[float, ...]

    @property
    def deviation(self) -> float:
        """Standard deviation over the seeds; 0 of one seed."""
        return stdev(self.by_seed) if len(self.by_seed) > 1 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmReport:
    """An arm's final standing and its curve, over the seeds that it finished."""

    arm: str
    seeds: tuple[int, ...]
    final: dict[str, Spread]
    """Every field of `metrics.Standing` after the last cycle, and of `metrics.Prequential` as `prequential_...`."""
    curve: tuple[dict[str, float], ...]
    """Per cycle, means over the seeds."""
    seconds_a_cycle: float
    score_against_reference: Estimate | None = None
    """Mean difference of the score to the reference, items of all common seeds resampled."""
    nats_against_reference: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is published of a run."""

    settings: Settings
    reference: str
    arms: tuple[ArmReport, ...]
    unfinished: dict[str, int]
    """Cells of arms and seeds that are not whole yet, by `arm/seed`."""
    minutes: float
    """Of all cells, on the machine that ran them."""
    torch: str
    processor: str


def report(out: Path, *, to: Path) -> dict[str, object]:
    """Write `learning_<cycles>.json`, `.md` and the plots into `to`; return a summary.

    Raises:
        DataError: the folder is no run folder, or the base has not been scored yet.
    """
    found = read_report(out)
    make_dir(to)
    name = f"learning_{found.settings.cycles}"
    write_atomic(to / f"{name}.json", msgspec.json.format(msgspec.json.encode(found)))
    parts = (heading(found), results_table(found.arms), comparison_table(found.arms, found.reference))
    text = "\n\n".join(parts) + "\n"
    write_atomic(to / f"{name}.md", text.encode())
    plots: list[str] = []
    try:
        from laimark_sidecar.bench.plots import draw
    except ImportError:
        pass  # matplotlib is optional: the tables stand by themselves
    else:
        plots = draw(found.arms, to, name)
    return {
        "report": str(to / f"{name}.json"),
        "plots": plots,
        "score": {arm.arm: round(arm.final["score"].mean, 4) for arm in found.arms},
        "unfinished": len(found.unfinished),
        "minutes": found.minutes,
    }


def read_report(out: Path) -> Report:
    """Return what a run folder says so far."""
    path = out / "settings.json"
    if not path.is_file():
        raise DataError(f"{out} is no run folder: it has no settings.json")
    settings = msgspec.json.decode(path.read_bytes(), type=Settings)
    whole: dict[str, dict[int, Sequence[CellResult]]] = {}
    unfinished: dict[str, int] = {}
    seconds = 0.0
    for folder in sorted(path for path in out.glob("seed-*/*") if path.is_dir()):
        cells = read_cells(folder)
        seconds += sum(c.spent.training + c.spent.curvature + c.spent.scoring for c in cells)
        seed = int(folder.parent.name.removeprefix("seed-"))
        if cells and cells[-1].cycle == settings.cycles:
            whole.setdefault(folder.name, {})[seed] = cells
        else:
            unfinished[f"{folder.name}/{seed}"] = len(cells)
    if "base" not in whole:
        raise DataError(f"{out}: the base has not been scored to the end yet")
    seen = {seed: read_seen(seed_folder(out, seed)) for seed in whole["base"]}
    arms = tuple(
        arm_report(arm.name, whole[arm.name], whole["base"], whole.get(REFERENCE, {}), seen)
        for arm in ARMS
        if arm.name in whole and whole[arm.name].keys() & whole["base"].keys()
    )
    return Report(
        # Neither a path nor a name of this machine belongs into evidence.
        settings=replace(settings, base=Path(settings.base).name),
        reference=REFERENCE,
        arms=arms,
        unfinished=unfinished,
        minutes=round(seconds / 60, 1),
        torch=importlib.metadata.version("torch"),
        processor=platform.machine(),
    )


def arm_report(
    name: str, cells: Cells, base: Cells, reference: Cells, seen: Mapping[int, Mapping[str, Sequence[bool]]]
) -> ArmReport:
    """Return one arm over the seeds that it and the base finished."""
    seeds = tuple(sorted(cells.keys() & base.keys()))
    standings = {
        seed: [standing(cells[seed], base[seed], c.cycle) for c in cells[seed] if c.exams] for seed in seeds
    }
    final = {
        field: _spread([getattr(standings[seed][-1], field) for seed in seeds])
        for field in Standing.__dataclass_fields__
        if field != "cycle" and all(getattr(standings[seed][-1], field) is not None for seed in seeds)
    }
    before = [prequential(cells[seed], base[seed]) for seed in seeds]
    for field in ("gain", "token_gain", "exact_gain", "similarity_gain"):
        if all(found is not None and getattr(found, field) is not None for found in before):
            final[f"prequential_{field}"] = _spread([getattr(found, field) for found in before])
    halves = [split_gains(cells[seed][-1], base[seed][-1], seen[seed]) for seed in seeds if seen.get(seed)]
    if len(halves) == len(seeds):
        for field in set.intersection(*map(set, halves)):
            final[field] = _spread([half[field] for half in halves])
    every = [cell for seed in seeds for cell in cells[seed]]
    return ArmReport(
        arm=name,
        seeds=seeds,
        final=final,
        curve=tuple(_curve_point(points) for points in zip(*standings.values(), strict=True)),
        seconds_a_cycle=round(fmean(c.spent.training + c.spent.curvature for c in every), 2),
        score_against_reference=_against(name, cells, reference, score_differences),
        nats_against_reference=_against(name, cells, reference, nats_differences),
    )


def _curve_point(points: Sequence[Standing]) -> dict[str, float]:
    fields = ("personal_gain", "core_kept", "core_margin", "kl", "score", "score_nats")
    point = {field: round(fmean(getattr(p, field) for p in points), 5) for field in fields}
    return {"cycle": points[0].cycle, **point}


def _against(
    name: str, cells: Cells, reference: Cells, differences: Callable[[CellResult, CellResult], list[float]]
) -> Estimate | None:
    common = sorted(cells.keys() & reference.keys())
    if name == REFERENCE or not common:
        return None
    pooled = [d for seed in common for d in differences(cells[seed][-1], reference[seed][-1])]
    return estimate(pooled, alpha=LEVEL)


def _spread(values: Sequence[float]) -> Spread:
    return Spread(mean=round(fmean(values), 5), by_seed=tuple(round(value, 5) for value in values))
