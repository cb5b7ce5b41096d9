"""The whole run: all arms of a seed before the next seed, each cell once, whenever the run was cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from laimark_sidecar.bench.arms import Arm
from laimark_sidecar.bench.cells import forget_state, is_run, run_cell
from laimark_sidecar.bench.lab import Lab, set_up
from laimark_sidecar.bench.results import arm_folder, cell_path, seed_folder, write_cell, write_seen
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.bench.stream import Stream, read_stream, seen_answers
from laimark_sidecar.clock import Clock
from laimark_sidecar.errors import DataError
from laimark_sidecar.files import make_dir, write_atomic

Say = Callable[[str], None]


def run(settings: Settings, arms: Sequence[Arm], out: Path, *, seeds: int, clock: Clock, say: Say) -> int:
    """Run every cell that is not there yet; return how many were run.

    Raises:
        DataError: the folder holds a run with other settings.
    """
    claim(out, settings)
    ran = 0
    for seed in range(seeds):
        stream = kept_stream(settings, seed_folder(out, seed), seed=seed)
        write_seen(seed_folder(out, seed), seen_answers(stream))
        if not any(missing(arm_folder(out, seed=seed, arm=arm.name), settings) for arm in arms):
            continue
        lab = set_up(settings, stream, out, seed=seed, clock=clock, say=say)
        for arm in arms:
            ran += run_arm(lab, arm, arm_folder(out, seed=seed, arm=arm.name), say=say)
    return ran


def run_arm(lab: Lab, arm: Arm, folder: Path, *, say: Say) -> int:
    """Run the cells of one arm that are not there yet; return how many."""
    ran = 0
    for cycle in range(1, len(lab.cycles) + 1):
        if cell_path(folder, cycle).is_file() or not is_run(lab, arm, cycle):
            continue
        result = run_cell(lab, arm, cycle, folder)
        write_cell(folder, result)
        forget_state(folder, cycle - 1)
        ran += 1
        spent = result.spent
        say(
            f"seed {lab.seed} {arm.name} cycle {cycle}/{len(lab.cycles)} {result.user}: "
            f"{spent.training:.1f} s training, {spent.curvature:.1f} s curvature, {spent.scoring:.1f} s scoring; "
            f"KL {sum(result.core.kl) / max(1, len(result.core.kl)):.4f}"
        )
    return ran


def kept_stream(settings: Settings, folder: Path, *, seed: int) -> Stream:
    """Return the seed's stream as it was when it was first read: code bases change, and arms are paired by their tasks.

    The file holds other people's code, so it stays in the run folder.
    """
    path = folder / "stream.json"
    if path.is_file():
        return msgspec.json.decode(path.read_bytes(), type=Stream)
    stream = read_stream(
        cycles=settings.cycles, tasks=settings.tasks, exam=settings.exam, stay=settings.stay, seed=seed
    )
    make_dir(folder)
    write_atomic(path, msgspec.json.encode(stream))
    return stream


def missing(folder: Path, settings: Settings) -> bool:
    """Say whether an arm's last cell is not there."""
    return not cell_path(folder, settings.cycles).is_file()


def claim(out: Path, settings: Settings) -> None:
    """Bind a folder to its settings: cells of other settings must not be taken for finished ones.

    Raises:
        DataError: it is bound to others.
    """
    path = out / "settings.json"
    if not path.is_file():
        make_dir(out)
        write_atomic(path, msgspec.json.encode(settings))
    elif msgspec.json.decode(path.read_bytes(), type=Settings) != settings:
        raise DataError(
            f"{path} holds other settings than asked for: {path.read_text(encoding='utf-8')}",
            hint="give another --out, or the settings of that run",
        )
