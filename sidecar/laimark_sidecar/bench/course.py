"""The whole run: all arms of a seed before the next seed, each cell once, whenever the run was cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import msgspec

from laimark_sidecar.bench.agenda import Due, Pace, cost_s, due, is_run
from laimark_sidecar.bench.arms import Arm
from laimark_sidecar.bench.cells import forget_state, run_cell
from laimark_sidecar.bench.core import Core
from laimark_sidecar.bench.lab import Lab, of_kind, set_up
from laimark_sidecar.bench.pace import measured
from laimark_sidecar.bench.results import (
    CellResult,
    arm_folder,
    cell_path,
    read_cells,
    seed_folder,
    write_cell,
    write_seen,
)
from laimark_sidecar.bench.settings import SETTINGS, Settings, held_settings
from laimark_sidecar.bench.stream import Stream, read_stream, seen_answers
from laimark_sidecar.clock import Clock
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.files import make_dir, write_atomic

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who is told how a run goes."""

    say: Callable[[str, float], None]
    """What was done, and the share of all work that is done by then."""
    expect: Callable[[float], None]
    """Once, before the first cell: about how many seconds all that is due takes."""


def run(
    settings: Settings,
    arms: Sequence[Arm],
    core: Core,
    out: Path,
    *,
    seeds: int,
    clock: Clock,
    listener: Listener,
) -> int:
    """Run every cell that is not there yet; return how many were run.

    Raises:
        DataError: the folder holds a run with other settings; the users' packages give too few tasks.
        StateError: a file of the folder is damaged.
        TrainingError: the base cannot be loaded.
    """
    claim(out, settings)
    for folder in (arm_folder(out, seed=seed, arm=arm.name) for seed in range(seeds) for arm in arms):
        read_cells(folder)  # what is damaged is said now, not in the report after hours of work
    agenda = due(settings, arms, out, seeds=seeds)
    ledger: _Ledger | None = None
    for seed in range(seeds):
        stream = kept_stream(settings, seed_folder(out, seed), seed=seed)
        write_seen(seed_folder(out, seed), seen_answers(stream))
        if not any(one.seed == seed for one in agenda):
            continue
        share = ledger.share if ledger is not None else 0.0
        say = partial(_say, listener, share)
        lab = set_up(settings, stream, core, out, seed=seed, clock=clock, say=say)
        if ledger is None:
            ledger = _Ledger(settings, agenda, measured(lab), listener)
            listener.expect(ledger.total_s)
        for arm in arms:
            lab = of_kind(lab, arm.kind)
            run_arm(lab, arm, arm_folder(out, seed=seed, arm=arm.name), say=ledger.done)
    return len(agenda)


def _say(listener: Listener, share: float, text: str) -> None:
    listener.say(text, share)


class _Ledger:
    """Counts the work that is done, in the order of the agenda."""

    def __init__(self, settings: Settings, agenda: Sequence[Due], pace: Pace, listener: Listener) -> None:
        self._costs = iter([cost_s(settings, one, pace) for one in agenda])
        self.total_s = sum(cost_s(settings, one, pace) for one in agenda)
        self._done_s = 0.0
        self._listener = listener

    @property
    def share(self) -> float:
        return self._done_s / self.total_s if self.total_s > 0.0 else 0.0

    def done(self, text: str) -> None:
        self._done_s += next(self._costs)
        self._listener.say(text, self.share)


def run_arm(lab: Lab, arm: Arm, folder: Path, *, say: Say) -> int:
    """Run the cells of one arm that are not there yet; return how many. `say` is called once a cell."""
    ran = 0
    for cycle in range(1, len(lab.cycles) + 1):
        if cell_path(folder, cycle).is_file() or not is_run(lab.settings, arm, cycle):
            continue
        result = run_cell(lab, arm, cycle, folder)
        write_cell(folder, result)
        forget_state(folder, cycle - 1)
        ran += 1
        say(_line(result, len(lab.cycles)))
    return ran


def _line(result: CellResult, cycles: int) -> str:
    spent = result.spent
    kl = f"; KL {sum(result.core.kl) / len(result.core.kl):.4f}" if result.core.kl else ""
    gate = "" if result.decision is None else "; accepted" if result.decision.accepted else "; refused"
    return (
        f"seed {result.seed} {result.arm} cycle {result.cycle}/{cycles} {result.user}: {spent.training:.1f} s training, "
        f"{spent.curvature:.1f} s curvature, {spent.scoring:.1f} s scoring{kl}{gate}"
    )


def kept_stream(settings: Settings, folder: Path, *, seed: int) -> Stream:
    """Return the seed's stream as it was when it was first read: code bases change, and arms are paired by their tasks.

    The file holds other people's code, so it stays in the run folder.

    Raises:
        StateError: the file is damaged.
        DataError: the users' packages are not there, or give too few tasks.
    """
    path = folder / "stream.json"
    if path.is_file():
        try:
            return decode_json(path.read_bytes(), Stream)
        except MalformedError as error:
            # Without its tasks no cell of this seed can be told from a cell of other tasks.
            raise StateError(
                f"{path} is damaged: {error}", hint=f"delete {folder} to run the seed again"
            ) from error
    stream = read_stream(
        cycles=settings.cycles, tasks=settings.tasks, exam=settings.exam, stay=settings.stay, seed=seed
    )
    make_dir(folder)
    write_atomic(path, msgspec.json.encode(stream))
    return stream


def claim(out: Path, settings: Settings) -> None:
    """Bind a folder to its settings: cells of other settings must not be taken for finished ones.

    Raises:
        DataError: it is bound to others; says which differ.
        StateError: what it is bound to is damaged.
    """
    held = held_settings(out)
    if held is None:
        make_dir(out)
        write_atomic(out / SETTINGS, msgspec.json.encode(settings))
    elif held != settings:
        other = [
            f"{field.name} {getattr(held, field.name)!r}, not {getattr(settings, field.name)!r}"
            for field in fields(Settings)
            if getattr(held, field.name) != getattr(settings, field.name)
        ]
        raise DataError(
            f"{out} holds a run with other settings: {'; '.join(other)}",
            hint="give another --out, or leave those options out to go on with that run",
        )
