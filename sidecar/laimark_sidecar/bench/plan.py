"""What a run is going to do, said before it does it, and kept so that it can go on without being told again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from laimark_sidecar.bench.arms import Arm
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.bench.stream import USERS, turns
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import StateError
from laimark_sidecar.files import make_dir, write_atomic

ARMS = "base,replay+input+weight,replay+weight,plain,rag_inline,joint,gated+weight"
"""Of an evening: nothing, the product's default, the same without its penalty, without anything, prompt memory without
training, everything at once, and the default behind its gate."""
SEEDS = 3

KEPT = "plan.json"
_CORES = {
    "beside": "its own core set",
    "built": "the core set that was built for it",
    "shipped": "the shipped core prompts (no core set lies beside it, and none was built)",
}
IS_NOT = (
    "It measures this way of learning on code bases of this machine, rewritten in part in house styles. It says nothing of "
    "your own adapter, reads none of your conversations, and changes nothing that is served."
)
UNSEEN_UNKNOWN = (
    "This base does not say what it was trained on (no facts.json beside it): that it has never seen these code bases cannot "
    "be promised, and its gains are not comparable with those of a base that says so."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was asked of a run folder last, beside its settings."""

    arms: tuple[str, ...]
    seeds: int
    core: Literal["beside", "built", "shipped"]
    unseen: bool
    """The base says what it was trained on, and that is none of the users' code."""


def held_plan(out: Path) -> Plan | None:
    """Return what a folder keeps; None of a new one.

    Raises:
        StateError: it is damaged.
    """
    path = out / KEPT
    if not path.is_file():
        return None
    try:
        return decode_json(path.read_bytes(), Plan)
    except MalformedError as error:
        raise StateError(
            f"{path} is damaged: {error}", hint="delete it, and name --arms and --seeds"
        ) from error


def keep_plan(out: Path, plan: Plan) -> None:
    """Write what was asked; durable when it returns."""
    make_dir(out)
    write_atomic(out / KEPT, msgspec.json.encode(plan))


def described(settings: Settings, plan: Plan, arms: Sequence[Arm], out: Path, *, cells: int) -> str:
    """Return what is going to be run, and what it is not; `cells` are not there yet."""
    users = list(
        dict.fromkeys(
            user
            for seed in range(plan.seeds)
            for user in turns(tuple(USERS), cycles=settings.cycles, stay=settings.stay, seed=seed)
        )
    )
    lines = [
        f"{Path(settings.base).name} on {settings.device}: {settings.cycles} cycles of {settings.tasks} tasks and "
        f"{settings.steps} steps, another user every {counted(settings.stay, 'cycle')} ({', '.join(users)})",
        f"{counted(len(arms), 'way')} to learn, {counted(plan.seeds, 'seed')} each, {counted(cells, 'cell')} to run: {', '.join(arm.name for arm in arms)}",
        f"forgetting is measured by {_CORES[plan.core]}",
        f"run folder: {out}",
        IS_NOT,
    ]
    return "\n".join(lines if plan.unseen else [*lines, UNSEEN_UNKNOWN])


def counted(number: int, what: str) -> str:
    """Return a number with its noun: `1 cell`, `2 cells`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
