"""Tasks from library files that the base was not trained on: what it could do, measured more widely than its core prompts.

The demo base's `facts.json` lists the files that its training left out. Nobody trains on them or judges by them, so a
loss here that the gate did not see is a loss that the gate did not see.
"""

from __future__ import annotations

import json
import random
import sysconfig
from pathlib import Path

from scripts.learning.stream import CONTEXT_CHARS, CONTEXT_LINES

from laimark_sidecar.demo.code_tasks import Task, completions
from laimark_sidecar.errors import DataError

_LINES_A_FILE = 40


def library_tasks(base: Path, *, count: int) -> tuple[Task, ...]:
    """Return `count` lines to complete, the same for all seeds; prompts of the base's `core.jsonl` are left out.

    Raises:
        DataError: the base does not say what its training left out, or too little of it is in this Python.
    """
    facts = base / "facts.json"
    if not facts.is_file():
        raise DataError(f"{base} has no facts.json: which files its training left out is not known")
    roots = [Path(sysconfig.get_paths()[kind]) for kind in ("stdlib", "purelib")]
    rng = random.Random("library")
    core = (base / "core.jsonl").read_text(encoding="utf-8")
    taken = {json.loads(line)["messages"][0]["content"] for line in core.splitlines()}
    tasks: dict[str, Task] = {}
    for relative in json.loads(facts.read_text(encoding="utf-8"))["held_out_files"]:
        path = next((root / relative for root in roots if (root / relative).is_file()), None)
        if path is None or {"test", "tests", "idle_test"} & set(Path(relative).parts):
            continue
        drawn = completions(
            path.read_text(encoding="utf-8", errors="replace"),
            rng=rng,
            count=_LINES_A_FILE,
            context_lines=CONTEXT_LINES,
            max_context_chars=CONTEXT_CHARS,
        )
        tasks |= {task.prompt: task for task in drawn if task.prompt not in taken}
    if len(tasks) < count:
        raise DataError(
            f"this Python holds {len(tasks)} such lines, wanted {count}", hint="give a smaller --library"
        )
    return tuple(rng.sample(list(tasks.values()), count))
