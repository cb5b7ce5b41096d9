"""The benchmark from its command line to its report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import torch

from laimark_sidecar.bench import plan as plans
from laimark_sidecar.bench.agenda import due
from laimark_sidecar.bench.arms import Arm, chosen
from laimark_sidecar.bench.base import digest, left_out, require_base
from laimark_sidecar.bench.core import kept_core
from laimark_sidecar.bench.course import Listener, claim, run
from laimark_sidecar.bench.options import Asked, run_name, settings_of
from laimark_sidecar.bench.report import report
from laimark_sidecar.bench.settings import Settings, held_settings
from laimark_sidecar.bench.tables import summary_table
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import DataError
from laimark_sidecar.pipeline.benchmark import Event

_MINUTE_S, _HOUR_S = 60, 3600


class _OnlyAskedError(Exception):
    """A dry run ends where the first cell would begin."""


def work(asked: Asked, tell: Callable[[Event], None]) -> Event:
    """Run what is missing and report, or only report; return the last word.

    Raises:
        DataError: what was asked for cannot be run: the base, an arm, a size, settings of another run.
        StateError: the run folder is damaged.
        TrainingError: the base cannot be loaded.
    """
    if asked.report:
        return reported(Path(asked.report), to=Path(asked.to or asked.report))
    if asked.threads:
        torch.set_num_threads(asked.threads)
    settings, out = _where(asked)
    core = kept_core(
        out,
        Path(settings.base),
        built=Path(asked.built_core) if asked.built_core else None,
        watched=settings.core_watched,
    )
    held = plans.held_plan(out)
    arms = _arms(asked.arms or (",".join(held.arms) if held else plans.ARMS), settings)
    seeds = asked.seeds or (held.seeds if held else plans.SEEDS)
    plan = plans.Plan(
        arms=tuple(arm.name for arm in arms),
        seeds=seeds,
        core=core.origin,
        unseen=left_out(Path(settings.base)) is not None,
    )
    plans.keep_plan(out, plan)
    cells = len(due(settings, arms, out, seeds=seeds))
    tell(Event(kind="plan", text=plans.described(settings, plan, arms, out, cells=cells)))

    def expect(seconds: float) -> None:
        tell(
            Event(
                kind="plan",
                text=f"about {duration(seconds)} on this machine for {plans.counted(cells, 'cell')}",
            )
        )
        if asked.dry_run:
            raise _OnlyAskedError

    listener = Listener(
        say=lambda text, share: tell(Event(kind="cell", text=text, share=share)), expect=expect
    )
    try:
        run(settings, arms, core, out, seeds=seeds, clock=SystemClock(), listener=listener)
    except _OnlyAskedError:
        summary = msgspec.json.encode({"out": str(out), "cells": cells})
        return Event(kind="done", text="nothing was run", summary=summary.decode())
    return reported(out, to=Path(asked.to) if asked.to else out)


def reported(out: Path, *, to: Path) -> Event:
    """Write the report of a run folder; return it as the last word.

    Raises:
        DataError: the folder is no run folder, or the base has not been scored yet.
        StateError: it is damaged.
    """
    found, summary = report(out, to=to)
    columns, rows = summary_table(found.arms)
    return Event(
        kind="done",
        text=f"report: {summary['report']}",
        columns=columns,
        rows=rows,
        summary=msgspec.json.encode(summary).decode(),
    )


def duration(seconds: float) -> str:
    """Render a guess for people, never more precise than a guess is: `2 minutes`, `3.5 hours`."""
    if seconds < 1.5 * _MINUTE_S:
        return "a minute"
    if seconds < 1.5 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} minutes"
    return f"{seconds / _HOUR_S:.1f} hours"


def _where(asked: Asked) -> tuple[Settings, Path]:
    held = held_settings(Path(asked.out)) if asked.out else None
    device = str(asked.settings.get("device", "")) or ("cuda" if torch.cuda.is_available() else "cpu")
    settings = settings_of(asked, held, device=device)
    base = Path(settings.base)
    require_base(base)
    out = Path(asked.out) if asked.out else Path(asked.runs) / run_name(settings, weights=digest(base))
    claim(out, settings)
    return settings, out


def _arms(names: str, settings: Settings) -> tuple[Arm, ...]:
    """Return the arms, and the base among them: every figure is a difference to it."""
    arms = chosen(names if names == "all" else f"base,{names}")
    if not settings.core_wide and (wide := [arm.name for arm in arms if arm.wide_core]):
        raise DataError(
            f"{', '.join(wide)}: there is no wide core to replay", hint="set --core-wide, as 1000"
        )
    return arms
