"""Core prompts: what the model could do before it met its user, and must still do afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError
from laimark_sidecar.files import write_atomic
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.paths import modelfiles
from laimark_sidecar.pipeline.base import ServedBase

NAME = "core.jsonl"
Origin = Literal["built", "beside", "demo"]
"""By `core build`, of this very base; beside the training base; the demo base's, for want of either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreTask:
    """One line of `core.jsonl`.

    `train` prompts are replayed (with the frozen base's own answers), `screen` prompts only ever measure.
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


def core_file(base: ServedBase) -> tuple[Path, Origin]:
    """Return the core set in force: the one that was built for these bytes, else the training base's, else the demo's."""
    built, beside = base.cache / NAME, base.hf_dir / NAME
    if built.is_file():
        return built, "built"
    if beside.is_file():
        return beside, "beside"
    return modelfiles() / "demo_base" / NAME, "demo"


def load_core(base: ServedBase) -> tuple[CoreTask, ...]:
    """Read the core set in force.

    Raises:
        DataError: a line is malformed; names file and line.
    """
    return read_core(core_file(base)[0])


def read_core(path: Path) -> tuple[CoreTask, ...]:
    """Read a file of core prompts; raises as `load_core` does."""
    tasks: list[CoreTask] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            tasks.append(decode_json(line, CoreTask))
        except MalformedError as error:
            raise DataError(
                f"{path}:{number}: malformed core prompt: {error}",
                hint="build it anew: laimark-sidecar core build",
            ) from error
    return tuple(tasks)


def write_core(path: Path, tasks: Collection[CoreTask]) -> None:
    """Write a file of core prompts; whole or not at all."""
    write_atomic(path, b"".join(msgspec.json.encode(task) + b"\n" for task in tasks))


def core_digest(base: ServedBase) -> str:
    """Return 16 hex digits of the core set in force: figures of different ones are not comparable."""
    return hashlib.sha256(core_file(base)[0].read_bytes()).hexdigest()[:16]
