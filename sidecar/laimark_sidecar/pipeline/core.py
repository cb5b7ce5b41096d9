"""Core prompts: what the model could do before it met its user, and must still do afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.paths import modelfiles


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreTask:
    """One line of `core.jsonl`.

    `train` prompts are replayed (with the frozen base's own answers), `screen` prompts only ever measure.
    """

    id: str
    split: Literal["train", "screen"]
    messages: tuple[Message, ...]
    reference: str
    """A good answer written by people; scored, never trained on (gold replay hurts: learning.md)."""


def load_core(hf_dir: Path) -> tuple[CoreTask, ...]:
    """Read the core set that lies beside the base model, else the shipped one.

    Raises:
        DataError: a line is malformed; names file and line.
    """
    own = hf_dir / "core.jsonl"
    path = own if own.is_file() else modelfiles() / "demo_base" / "core.jsonl"
    tasks: list[CoreTask] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            tasks.append(decode_json(line, CoreTask))
        except MalformedError as error:
            raise DataError(f"{path}:{number}: malformed core prompt: {error}") from error
    return tuple(tasks)
