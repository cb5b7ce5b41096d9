"""What a benchmark is asked for on its command line."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass, fields, replace
from pathlib import Path

import msgspec

from laimark_sidecar.bench.base import left_out
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.paths import modelfiles

LIBRARY = 100
"""Lines of library files in each exam, where the base says which it was not trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The command line, read."""

    base: str | None
    built_core: str | None
    arms: str | None
    seeds: int | None
    out: str | None
    runs: str
    report: str
    to: str
    threads: int
    dry_run: bool
    events: bool
    settings: dict[str, object]
    """Fields of `Settings` that were given."""


def read(arguments: list[str]) -> Asked:
    """Parse a command line; wrong usage ends the process with status 2."""
    found = vars(_parser().parse_args(arguments))
    names = {field.name for field in fields(Settings)} - {"base"}
    settings = {name: found.pop(name) for name in names & found.keys()}
    return Asked(**found, settings={name: value for name, value in settings.items() if value is not None})


def settings_of(asked: Asked, held: Settings | None, *, device: str) -> Settings:
    """Return the settings of a run: those that were given, then those that its folder holds, then the usual ones.

    Args:
        asked: the command line.
        held: what the run folder is bound to, if it is bound.
        device: where the usual settings put the model: "cpu", "cuda" or "mps".

    Raises:
        DataError: what the base says of its training is damaged.
    """
    base = Path(asked.base or modelfiles() / "demo_base").absolute()
    usual: dict[str, object] = {"device": device, "library": LIBRARY if left_out(base) is not None else 0}
    known = msgspec.to_builtins(held) if held is not None else usual | {"base": str(base)}
    if asked.base:
        known["base"] = str(base)
    return msgspec.convert(known | asked.settings, Settings)


def run_name(settings: Settings, *, weights: str) -> str:
    """Return the name of a run's folder: equal for equal settings and weights, so the same command goes on.

    Args:
        settings: of the run.
        weights: sha256 of the base's weights; where they lie does not matter.
    """
    content = msgspec.json.encode(replace(settings, base=weights))
    short = hashlib.sha256(content).hexdigest()[:8]
    return f"{Path(settings.base).name}-{settings.cycles}-{short}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m laimark_sidecar.bench",
        description=(
            "Measure ways to learn over a stream of users. A run may be killed at any time: started again it goes on with "
            "the first cell that is not there. Progress is on stderr; the last line of stdout is JSON."
        ),
    )
    whole = argparse.BooleanOptionalAction
    parser.add_argument("--base", help="folder of the training base; the demo base")
    parser.add_argument("--built-core", help="core set that was built for the base")
    parser.add_argument("--arms", help="comma-separated, or all")
    parser.add_argument("--cycles", type=int)
    parser.add_argument("--seeds", type=int, help="each another order of users, tasks and draws")
    parser.add_argument("--tasks", type=int, help="new tasks a cycle")
    parser.add_argument("--exam", type=int, help="tasks of each user's exam")
    parser.add_argument("--stay", type=int, help="cycles until the next user comes")
    parser.add_argument("--steps", type=int, help="optimiser steps a cycle")
    parser.add_argument("--batch", type=int, help="examples a step")
    parser.add_argument("--rank", type=int)
    parser.add_argument("--alpha", type=float)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument(
        "--kl-soft", type=float, help="the governor's budget, nats; a sweep shows the frontier"
    )
    parser.add_argument("--autocast", action=whole, default=None, help="bfloat16 where the processor has it")
    parser.add_argument("--device", choices=("cpu", "cuda", "mps"))
    parser.add_argument("--oracle-every", type=int, help="cycles between two trainings of joint")
    parser.add_argument("--exam-every", type=int, help="cycles between two exams")
    parser.add_argument(
        "--library", type=int, help="lines of library files in each exam; wider than the core"
    )
    parser.add_argument("--core-replay", type=int, help="core prompts that are replayed")
    parser.add_argument("--core-watched", type=int, help="core prompts that the governor watches")
    parser.add_argument("--core-wide", type=int, help="prompts that the arms with a wide core replay")
    parser.add_argument("--core-exam", type=int, help="core prompts of each exam")
    parser.add_argument("--reservoir", type=int, help="earlier tasks to replay from")
    parser.add_argument("--written", type=int, help="tasks also answered greedily")
    parser.add_argument("--threads", type=int, default=1, help="of the processor; 0: as many as torch takes")
    parser.add_argument("--out", help="run folder")
    parser.add_argument("--runs", default="learning_runs", help="folder of the run folders, without --out")
    parser.add_argument("--dry-run", action="store_true", help="say what would be run, and how long it takes")
    parser.add_argument("--report", default="", help="run folder to read instead of running")
    parser.add_argument("--to", default="", help="where the report goes; the run folder if not given")
    parser.add_argument("--events", action="store_true", help=argparse.SUPPRESS)
    return parser
