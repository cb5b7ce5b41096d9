"""What one cell of the benchmark (seed, arm, cycle) leaves: one JSON file, whole or not there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from laimark_sidecar.bench.scoring import NOTHING, Scores
from laimark_sidecar.bench.style_score import StyleMark
from laimark_sidecar.decoding import MalformedError, decode_json, decode_versioned
from laimark_sidecar.errors import StateError
from laimark_sidecar.files import make_dir, write_atomic

FORMAT_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Seconds of one cycle."""

    training: float = 0.0
    curvature: float = 0.0
    scoring: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the gate said of a cycle's candidate."""

    accepted: bool
    scale: float
    """Of the line search; the smallest tried where none passed."""
    promotions: int
    """How many candidates were accepted so far, this one included."""
    failed: tuple[str, ...]
    """The checks that it did not pass at that scale."""
    metrics: dict[str, float]
    """As `validation.verdict.Verdict.metrics`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """Everything measured in one cycle; per item, so that any two arms can be paired."""

    seed: int
    arm: str
    cycle: int
    """From 1."""
    user: str
    prequential: Scores
    """The cycle's tasks before they were learned; empty for an arm that begins anew each time."""
    similarity: tuple[float, ...]
    """Edit similarity of the greedy answers to the same tasks."""
    greedy_exact: tuple[float, ...]
    """Whether those answers are right after white-space normalisation."""
    exams: dict[str, Scores]
    """After the cycle, of every user who has come so far; like all that follows empty where no exam is due."""
    core: Scores
    """The base's own answers to core prompts that nobody trains on."""
    core_gold: Scores
    """The right answers to the same prompts."""
    library: Scores = NOTHING
    """The right answers in library files; see `Settings.library`."""
    styles: tuple[StyleMark, ...] = ()
    """Of the same greedy answers, in their order; see `style_score`."""
    decision: Decision | None = None
    """None where no gate decides."""
    losses: tuple[float, ...] = ()
    kl_watched: float = 0.0
    """What the engine's governor measured last."""
    lambda_core: float = 0.0
    nats_per_omega: float = 0.0
    spent: Spent = Spent()
    version: int = FORMAT_VERSION


def seed_folder(out: Path, seed: int) -> Path:
    """Return where the arms of a seed lie."""
    return out / f"seed-{seed}"


def arm_folder(out: Path, *, seed: int, arm: str) -> Path:
    """Return where an arm's cells lie."""
    return seed_folder(out, seed) / arm


def write_seen(folder: Path, seen: dict[str, tuple[bool, ...]]) -> None:
    """Keep which exam answers stood, as lines, among the lessons; by user, in the order of the exam."""
    make_dir(folder)
    write_atomic(folder / "seen.json", msgspec.json.encode(seen))


def read_seen(folder: Path) -> dict[str, tuple[bool, ...]]:
    """Return what was kept; empty where it was not.

    Raises:
        StateError: it is damaged.
    """
    path = folder / "seen.json"
    if not path.is_file():
        return {}
    try:
        return decode_json(path.read_bytes(), dict[str, tuple[bool, ...]])
    except MalformedError as error:
        raise StateError(
            f"{path} is damaged: {error}", hint="delete it: the next run writes it anew"
        ) from error


def cell_path(folder: Path, cycle: int) -> Path:
    """Return the file of a cell; it is written last, so where it is, the cell is whole."""
    return folder / f"cycle-{cycle:04}.json"


def write_cell(folder: Path, result: CellResult) -> None:
    """Write a cell; durable when it returns."""
    make_dir(folder)
    write_atomic(cell_path(folder, result.cycle), msgspec.json.encode(result))


def again(folder: Path) -> str:
    """Return what to do where an arm's folder is damaged: a cell needs what the one before it left, and that is gone."""
    return f"delete {folder} to run the arm again"


def read_cell(folder: Path, cycle: int) -> CellResult:
    """Return one finished cell.

    Raises:
        StateError: it is damaged, or a newer program wrote it.
    """
    path = cell_path(folder, cycle)
    return decode_versioned(
        path.read_bytes(),
        CellResult,
        newest=FORMAT_VERSION,
        what=str(path),
        hint=again(folder),
    )


def read_cells(folder: Path) -> tuple[CellResult, ...]:
    """Return an arm's finished cells in the order of the cycles.

    Raises:
        StateError: a file is damaged, or a newer program wrote it.
    """
    return tuple(
        read_cell(folder, int(path.stem.removeprefix("cycle-")))
        for path in sorted(folder.glob("cycle-*.json"))
    )
