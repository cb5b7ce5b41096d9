"""The core of any base: prompts that stand for what it can do. The base's own set, else one built for it, else the shipped.

The run folder keeps what was read first: a set that is built anew meanwhile must not change what arms are paired by.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.files import make_dir, write_atomic
from laimark_sidecar.pipeline.core import NAME, read_core
from laimark_sidecar.pipeline.core_build import shipped

CORE_CHARS = 400
"""Longer core prompts are left out: they would set the length of every batch."""
KEPT = "core.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorePrompt:
    """A prompt of the core, and a good answer to it, which is scored and never trained on."""

    prompt: str
    gold: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """Short prompts in an order that mixes the kinds; the same for all seeds."""

    origin: Literal["beside", "built", "shipped"]
    """Beside the base; built by `core build` for it, without the user's own questions; as it comes with the program."""
    train: tuple[CorePrompt, ...]
    screen: tuple[CorePrompt, ...]
    """With an answer each."""


def core_of(base: Path, *, built: Path | None) -> Core:
    """Return the core of a base.

    Args:
        base: folder of the base.
        built: the set that was built for it, where there is one. Questions of the user's stay out: a run folder is no
            place that `forget` looks into.

    Raises:
        DataError: the set is damaged.
    """
    beside = base / NAME
    if beside.is_file() or built is not None:
        path = beside if beside.is_file() else built
        assert path is not None
        rows = [
            (task.split, task.messages[0].content, task.reference)
            for task in read_core(path).tasks
            if len(task.messages) == 1 and not task.record
        ]
        origin: Literal["beside", "built", "shipped"] = "beside" if path == beside else "built"
    else:
        rows = [(one.split, one.prompt, one.reference) for one in shipped()]
        origin = "shipped"
    return Core(
        origin=origin,
        train=_mixed("train", [(prompt, gold) for split, prompt, gold in rows if split == "train"]),
        screen=_mixed(
            "screen", [(prompt, gold) for split, prompt, gold in rows if split == "screen" and gold]
        ),
    )


def kept_core(out: Path, base: Path, *, built: Path | None, watched: int) -> Core:
    """Return the core of a run as it was when it was first read; `watched` of its prompts are not replayed.

    Raises:
        DataError: the set of the base is damaged, or has nothing to replay or nothing to judge by.
        StateError: what the run folder keeps is damaged.
    """
    path = out / KEPT
    if path.is_file():
        try:
            return decode_json(path.read_bytes(), Core)
        except MalformedError as error:
            raise StateError(f"{path} is damaged: {error}", hint="delete the run folder") from error
    core = core_of(base, built=built)
    if len(core.train) <= watched or not core.screen:
        raise DataError(
            f"the core set of {base} has {len(core.train)} short prompts to replay, of which "
            f"{watched} are only watched, and {len(core.screen)} to judge by",
            hint="build one: laimark-sidecar core build",
        )
    make_dir(out)
    write_atomic(path, msgspec.json.encode(core))
    return core


def _mixed(split: str, rows: list[tuple[str, str]]) -> tuple[CorePrompt, ...]:
    found = [CorePrompt(prompt=prompt, gold=gold) for prompt, gold in rows if len(prompt) <= CORE_CHARS]
    random.Random(split).shuffle(found)
    return tuple(found)
