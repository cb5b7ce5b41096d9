"""Reads a run folder, finished or not: the arms, how they compare with the default, drift, the gate's decisions, the curves."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev

import msgspec

from laimark_sidecar.bench.arms import ARMS
from laimark_sidecar.bench.decisions import GateRecord, gate_record
from laimark_sidecar.bench.house_styles import STYLES
from laimark_sidecar.bench.metrics import (
    Standing,
    nats_differences,
    prequential,
    score_differences,
    split_gains,
    standing,
)
from laimark_sidecar.bench.plan import held_plan
from laimark_sidecar.bench.results import CellResult, read_cells, read_seen, seed_folder
from laimark_sidecar.bench.settings import Settings, held_settings
from laimark_sidecar.bench.stream import USERS
from laimark_sidecar.bench.style_score import Written, macro_f1, style_f1
from laimark_sidecar.bench.tables import markdown
from laimark_sidecar.errors import DataError
from laimark_sidecar.files import make_dir, write_atomic
from laimark_sidecar.validation.statistics import Estimate, estimate

REFERENCE = "replay+input+weight"
"""The product's default: what every other arm is compared with."""
LEVEL = 0.05
CURVES = (
    "personal_gain",
    "core_kept",
    "core_margin",
    "core_token_gain",
    "library_token_gain",
    "kl",
    "backward_transfer",
    "score",
    "score_nats",
)
"""Fields of `metrics.Standing` that are followed over the cycles."""

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
    """Every field of `metrics.Standing` after the last cycle, of `metrics.Prequential` as `prequential_...`, and the F1 of
    the house styles, `style_f1` their mean."""
    curve: tuple[dict[str, float], ...]
    """Per examined cycle, means over the seeds; a figure that is not measured yet is left out."""
    seconds_a_cycle: float
    score_against_reference: Estimate | None = None
    """Mean difference of the score to the reference, items of all common seeds resampled."""
    nats_against_reference: Estimate | None = None
    gate: tuple[GateRecord, ...] = ()
    """By seed; empty where no gate decides."""


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
    unseen: bool | None = None
    """The base says what it was trained on, and that is none of the users' code; None of a run that did not keep it."""


def report(out: Path, *, to: Path) -> tuple[Report, dict[str, object]]:
    """Write `learning_<cycles>.json`, `.md` and the plots into `to`; return the report and a summary.

    Raises:
        DataError: the folder is no run folder, or the base has not been scored yet.
        StateError: a file of it is damaged.
    """
    found = read_report(out)
    make_dir(to)
    name = f"learning_{found.settings.cycles}"
    write_atomic(to / f"{name}.json", msgspec.json.format(msgspec.json.encode(found)))
    write_atomic(to / f"{name}.md", markdown(found).encode())
    plots: list[str] = []
    # Matplotlib is optional: the tables stand by themselves.
    if importlib.util.find_spec("matplotlib") is not None:
        from laimark_sidecar.bench.plots import draw

        plots = draw(found.arms, to, name)
    return found, {
        "report": str(to / f"{name}.json"),
        "plots": plots,
        "score": {arm.arm: round(arm.final["score"].mean, 4) for arm in found.arms},
        "unfinished": len(found.unfinished),
        "minutes": found.minutes,
    }


def read_report(out: Path) -> Report:
    """Return what a run folder says so far; raises as `report` does."""
    settings = held_settings(out)
    if settings is None:
        raise DataError(f"{out} is no run folder: it has no settings.json")
    plan = held_plan(out)
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
        raise DataError(
            f"{out}: the base has not been scored to the end yet, and every figure is a difference to it",
            hint="go on with the run first",
        )
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
        unseen=plan.unseen if plan is not None else None,
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
    final |= _style_spreads([cells[seed] for seed in seeds])
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
        gate=tuple(record for seed in seeds if (record := gate_record(cells[seed])) is not None),
    )


def _style_spreads(cells: Sequence[Sequence[CellResult]]) -> dict[str, Spread]:
    written = [
        [
            Written(style=USERS[cell.user][1] if cell.user in USERS else "", marks=cell.styles)
            for cell in of_seed
            if cell.cycle > 1
        ]
        for of_seed in cells
    ]
    macros = [macro for one in written if (macro := macro_f1(one)) is not None]
    found = {"style_f1": _spread(macros)} if len(macros) == len(written) else {}
    by_style = [style_f1(one) for one in written]
    for style in STYLES:
        # A seed in whose cycles nobody writes so says nothing of the style.
        if by_seed := [one[style] for one in by_style if style in one]:
            found[f"style_f1_{style}"] = _spread(by_seed)
    return found


def _curve_point(points: Sequence[Standing]) -> dict[str, float]:
    point: dict[str, float] = {"cycle": points[0].cycle}
    for field in CURVES:
        values = [getattr(one, field) for one in points]
        if all(value is not None for value in values):
            point[field] = round(fmean(values), 5)
    return point


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
