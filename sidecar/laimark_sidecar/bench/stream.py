"""A stream of user cycles: whoever works today brings tasks of the own code base, and after some cycles another one comes.

The users are Python packages of this environment that the demo base was not trained on (its card lists what it read),
half of them rewritten in a house style.
Work and exam come from different files. Which files, which lines and in which order the users come is a function of
the seed alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.bench.house_styles import Style, styled
from laimark_sidecar.demo.code_tasks import Task, completions
from laimark_sidecar.demo.user import normalised
from laimark_sidecar.errors import DataError

USERS: dict[str, tuple[str, Style]] = {
    "aiohttp": ("aiohttp", ""),
    "sympy-camel": ("sympy", "camel"),
    "openai": ("openai", ""),
    "transformers-semicolon": ("transformers", "semicolon"),
    "fontTools": ("fontTools", ""),
    "laimark-this": ("laimark_sidecar", "this"),
}
"""Package and house style by the user's name: half of them write as their package does."""
EXAM_SHARE = 0.3
CONTEXT_LINES = (3, 10)
CONTEXT_CHARS = 320
"""Short questions: about a hundred tokens, so that a cycle takes seconds."""
_FILES = (60, 200)
_LINES_A_FILE = (40, 80)
_MANY_TASKS = 1000
"""Of whoever works more than so much, the second of each pair is read. Short runs read what they always did."""
_MIN_LINES = 40
_MAX_LINES = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One code base: tasks to work on, and tasks of other files that only ever measure."""

    name: str
    work: tuple[Task, ...]
    exam: tuple[Task, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """What one cycle brings."""

    user: str
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """All cycles, and every user's exam."""

    cycles: tuple[Cycle, ...]
    exams: dict[str, tuple[Task, ...]]


def package_root(name: str) -> Path:
    """Return the folder of an importable package, without importing it.

    Raises:
        DataError: this environment has no such package.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            f"the user {name!r} is a package that this environment lacks", hint=f"pip install {name}"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def read_user(name: str, root: Path, style: Style, *, seed: int, work: int, exam: int) -> User:
    """Return `work` tasks and `exam` tasks from files of `root` that both are split by the hash of their path.

    Raises:
        DataError: there is not enough code.
    """
    rng = random.Random(f"{seed}:{name}")
    paths = [path for path in sorted(root.rglob("*.py")) if "tests" not in path.parts]
    rng.shuffle(paths)
    sides: dict[bool, list[Task]] = {True: [], False: []}
    files = {True: 0, False: 0}
    many = work > _MANY_TASKS
    for path in paths:
        side = is_exam_file(path.relative_to(root))
        if files[side] >= _FILES[many]:
            continue
        lines = styled(_source(path), style).splitlines()
        if not _MIN_LINES <= len(lines) <= _MAX_LINES:
            continue
        files[side] += 1
        sides[side] += completions(
            "\n".join(lines),
            rng=rng,
            count=_LINES_A_FILE[many],
            context_lines=CONTEXT_LINES,
            max_context_chars=CONTEXT_CHARS,
        )
    for tasks in sides.values():
        rng.shuffle(tasks)
    if len(sides[False]) < work or len(sides[True]) < exam:
        raise DataError(
            f"{root} gives {len(sides[False])} tasks and {len(sides[True])} for the exam, wanted {work} and {exam}"
        )
    return User(name=name, work=tuple(sides[False][:work]), exam=tuple(sides[True][:exam]))


def is_exam_file(relative: Path) -> bool:
    """Say whether a file only measures: by the hash of its path, so on every machine the same."""
    digest = hashlib.sha256(relative.as_posix().encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < EXAM_SHARE


def turns(names: Sequence[str], *, cycles: int, stay: int, seed: int) -> tuple[str, ...]:
    """Return who works in each cycle: `stay` cycles each, in an order of the seed, all of them before anyone again."""
    order = list(names)
    random.Random(f"{seed}:order").shuffle(order)
    return tuple(order[cycle // stay % len(order)] for cycle in range(cycles))


def read_stream(*, cycles: int, tasks: int, exam: int, stay: int, seed: int) -> Stream:
    """Return the stream of a seed over `USERS`."""
    order = turns(tuple(USERS), cycles=cycles, stay=stay, seed=seed)
    users = {
        name: read_user(
            name,
            package_root(USERS[name][0]),
            USERS[name][1],
            seed=seed,
            work=tasks * order.count(name),
            exam=exam,
        )
        for name in dict.fromkeys(order)
    }
    return divided(users, order, tasks=tasks)


def divided(users: dict[str, User], order: Sequence[str], *, tasks: int) -> Stream:
    """Give each cycle its user's next tasks."""
    rest = {name: list(user.work) for name, user in users.items()}
    cycles: list[Cycle] = []
    for name in order:
        cycles.append(Cycle(user=name, tasks=tuple(rest[name][:tasks])))
        del rest[name][:tasks]
    return Stream(cycles=tuple(cycles), exams={name: user.exam for name, user in users.items()})


def seen_answers(stream: Stream) -> dict[str, tuple[bool, ...]]:
    """Return, for each exam question, whether its answer is also one of the lessons', white space apart."""
    lessons = {normalised(task.answer) for cycle in stream.cycles for task in cycle.tasks}
    return {
        name: tuple(normalised(task.answer) in lessons for task in tasks)
        for name, tasks in stream.exams.items()
    }


def _source(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
