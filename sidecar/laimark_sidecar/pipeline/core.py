"""The core set: prompts that stand for what the base can do. It is replayed in training, and screened by the gate.

JSON lines. One that was built begins with a header, which says the version of the format and when it was made; one that
lies beside a base, written by whoever made the base, may have none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from laimark_sidecar.decoding import MalformedError, NewerFormatError, decode_json
from laimark_sidecar.errors import DataError
from laimark_sidecar.files import write_atomic
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.paths import modelfiles
from laimark_sidecar.pipeline.base import SHIPPED, ServedBase

NAME = "core.jsonl"
FORMAT_VERSION = 1
Origin = Literal["built", "beside", "demo"]
"""By `core build`, for this very base; beside the training base; the demo base's, for want of either."""
DEMO_JUDGES = "what the base may forget is judged by the demo base's prompts, lines of Python code"
_HINT = "build it anew: laimark-sidecar core build"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreTask:
    """One prompt that stands for something the base can do.

    The splits share no prompt: what is replayed in training would flatter the measurement of what was kept.
    """

    id: str
    split: Literal["train", "screen"]
    messages: tuple[Message, ...]
    reference: str
    """What is scored, never trained on (gold replay hurts: learning.md): a good answer by people, or the base's own."""
    language: str = ""
    domain: str = ""
    record: str = ""
    """The exchange in which the user asked it; empty for a prompt of nobody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreSet:
    """A core set as it was read."""

    tasks: tuple[CoreTask, ...]
    digest: str
    """First 16 hex digits of the sha256 of the tasks: figures of different ones are not comparable."""
    made_s: float | None
    """When it was built; None where nobody says."""

    @property
    def screen(self) -> tuple[CoreTask, ...]:
        """What judges."""
        return tuple(task for task in self.tasks if task.split == "screen")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    core_set: int = 0
    """Version of the format; 0: this line is no header."""
    made_s: float | None = None


def core_file(base: ServedBase) -> tuple[Path, Origin]:
    """Return the core set in force: the one that was built for these bytes, else the training base's, else the demo's."""
    beside = base.hf_dir / NAME
    if base.core.is_file():
        return base.core, "built"
    if beside.is_file():
        return beside, "beside"
    return modelfiles() / SHIPPED / NAME, "demo"


def load_core(base: ServedBase) -> CoreSet:
    """Read the core set in force.

    Raises:
        DataError: a line is malformed, or two tasks have one id; names file and line.
        NewerFormatError: a newer program built it.
    """
    return read_core(core_file(base)[0])


def read_core(path: Path) -> CoreSet:
    """Read a file of core prompts; raises as `load_core` does."""
    lines = path.read_bytes().splitlines()
    header = _header(path, lines)
    first = 1 if header.core_set else 0
    tasks: dict[str, CoreTask] = {}
    for number, line in enumerate(lines[first:], start=first + 1):
        try:
            task = decode_json(line, CoreTask)
        except MalformedError as error:
            raise DataError(f"{path}:{number}: malformed core prompt: {error}", hint=_HINT) from error
        if task.id in tasks:
            raise DataError(f"{path}:{number}: a second core prompt {task.id!r}", hint=_HINT)
        tasks[task.id] = task
    digest = hashlib.sha256(b"\n".join(lines[first:])).hexdigest()[:16]
    return CoreSet(tasks=tuple(tasks.values()), digest=digest, made_s=header.made_s)


def write_core(path: Path, tasks: Collection[CoreTask], *, made_s: float | None) -> None:
    """Write a file of core prompts; whole or not at all, durable when it returns."""
    lines = (_Header(core_set=FORMAT_VERSION, made_s=made_s), *tasks)
    write_atomic(path, b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def _header(path: Path, lines: Sequence[bytes]) -> _Header:
    try:
        header = decode_json(lines[0], _Header) if lines else _Header()
    except MalformedError as error:
        raise DataError(f"{path}:1: malformed core prompt: {error}", hint=_HINT) from error
    if header.core_set > FORMAT_VERSION:
        raise NewerFormatError(
            f"{path} is newer than this program: it has format version {header.core_set}, this program reads up to "
            f"{FORMAT_VERSION}",
            hint="upgrade laimark-sidecar",
        )
    return header
