"""Tasks from library files, of those that the base was trained on or of those that its training left out.

The demo base's `facts.json` lists what was left out. Nobody trains on that or judges by it, so a loss there that the gate did
not see is a loss that the gate did not see. What it was trained on is what a wide core replays.
"""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

from laimark_sidecar.bench.base import FACTS, left_out
from laimark_sidecar.bench.stream import CONTEXT_CHARS, CONTEXT_LINES
from laimark_sidecar.demo.code_tasks import Task, completions
from laimark_sidecar.errors import DataError
from laimark_sidecar.pipeline.core import NAME, read_core

_LINES_A_FILE = 40
_TESTS = {"test", "tests", "idle_test"}
_TRAINED_LINES_A_FILE = 4
"""A wide core is of many files."""


def library_tasks(base: Path, *, count: int, trained_on: bool = False) -> tuple[Task, ...]:
    """Return `count` lines to complete, the same for all seeds; prompts of the base's `core.jsonl` are left out.

    Args:
        base: folder of the base.
        count: how many.
        trained_on: of the standard library's files that the base was trained on, instead of those that were left out.

    Raises:
        DataError: the base does not say what its training left out, or too little of it is in this Python.
    """
    names = left_out(base)
    if names is None:
        raise DataError(
            f"{base} has no {FACTS}: which files its training left out is not known",
            hint="ask for no library lines and no wide core",
        )
    paths = _trained(set(names)) if trained_on else _present(names)
    core = base / NAME
    taken = {task.messages[0].content for task in read_core(core).tasks} if core.is_file() else set()
    rng = random.Random("library")
    tasks: dict[str, Task] = {}
    for path in paths:
        drawn = completions(
            path.read_text(encoding="utf-8", errors="replace"),
            rng=rng,
            count=_TRAINED_LINES_A_FILE if trained_on else _LINES_A_FILE,
            context_lines=CONTEXT_LINES,
            max_context_chars=CONTEXT_CHARS,
        )
        tasks |= {task.prompt: task for task in drawn if task.prompt not in taken}
    if len(tasks) < count:
        raise DataError(f"this Python holds {len(tasks)} such lines, wanted {count}", hint="ask for fewer")
    return tuple(rng.sample(list(tasks.values()), count))


def _present(names: Sequence[str]) -> Iterator[Path]:
    roots = [Path(sysconfig.get_paths()[kind]) for kind in ("stdlib", "purelib")]
    for relative in names:
        path = next((root / relative for root in roots if (root / relative).is_file()), None)
        if path is not None and not _TESTS & set(Path(relative).parts):
            yield path


def _trained(names: set[str]) -> Iterator[Path]:
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if relative.as_posix() not in names and not {*_TESTS, "site-packages"} & set(relative.parts):
            yield path
