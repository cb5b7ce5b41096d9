"""The user's code: which files are worked on, and which are kept aside to ask about afterwards."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.demo.code_tasks import Task, completions
from laimark_sidecar.errors import DataError

HELD_OUT_SHARE = 0.3
MIN_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeBase:
    """Completion tasks from disjoint files: those the user works on, and those that only ever measure."""

    root: Path
    work: tuple[Task, ...]
    """In the order they will be asked."""
    exam: tuple[Task, ...]
    work_files: int
    exam_files: int


def own_sources() -> Path:
    """Return the folder of this very package: the default code base of the demo."""
    return Path(__file__).parents[1]


def read_code(root: Path, *, rounds: int, asks: int, exam: int, seed: int = 0) -> CodeBase:
    """Read the Python files below `root` and make tasks of them; files are split by the hash of their path.

    Args:
        root: any folder with Python sources.
        rounds: how many sessions the user will work.
        asks: tasks a session.
        exam: tasks kept aside.
        seed: chooses lines and order.

    Raises:
        DataError: there is not enough code for the demo to show anything.
    """
    rng = random.Random(seed)
    sides: dict[bool, list[Task]] = {True: [], False: []}
    files = {True: 0, False: 0}
    for path in sorted(root.rglob("*.py")):
        source = _source(path)
        if source.count("\n") < MIN_LINES:
            continue
        held_out = _is_held_out(path.relative_to(root))
        files[held_out] += 1
        sides[held_out] += completions(source, rng=rng, count=source.count("\n"))
    for tasks in sides.values():
        rng.shuffle(tasks)
    work, exam_tasks = sides[False][: rounds * asks], sides[True][:exam]
    if len(work) < rounds * asks // 2 or len(exam_tasks) < exam // 2:
        raise DataError(
            f"{root}: {len(sides[False])} lines to work on and {len(sides[True])} to ask about are too few",
            hint="give a folder with at least a few thousand lines of Python: demo --code DIR",
        )
    return CodeBase(
        root=root, work=tuple(work), exam=tuple(exam_tasks), work_files=files[False], exam_files=files[True]
    )


def _source(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _is_held_out(relative: Path) -> bool:
    digest = hashlib.sha256(relative.as_posix().encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT_SHARE
