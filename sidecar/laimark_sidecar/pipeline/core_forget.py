"""Takes what the user asked out of the core sets again, and with it what was derived from it."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from laimark_sidecar.decoding import NewerFormatError
from laimark_sidecar.errors import DataError
from laimark_sidecar.files import exclusive, is_held
from laimark_sidecar.logs import action
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.core import read_core, write_core

log = logging.getLogger(__name__)
_LOCK_WAIT_S = 10.0


def writing(home: Home) -> AbstractContextManager[None]:
    """Let one process at a time write core sets; it is held for moments."""
    return exclusive(
        home.root / "core.lock",
        f"laimark-sidecar, which writes a core set (pid {os.getpid()})",
        wait_s=_LOCK_WAIT_S,
    )


def building(home: Home) -> AbstractContextManager[None]:
    """Let one process at a time ask a base; it is held for minutes, and forgetting does not wait for it."""
    return exclusive(_building(home), f"laimark-sidecar core build (pid {os.getpid()})")


def asking(home: Home) -> Path:
    """Return the folder of what the base is being asked; it holds words of the user's, and is gone after a build."""
    return home.core / "asking"


def drop_prompts(home: Home, records: frozenset[str]) -> int:
    """Take out of every core set what was asked in these exchanges, and the answers to it; return how many prompts.

    A core set that nobody can read goes whole: it may hold what is to be forgotten, and is built anew by one command.

    Raises:
        LockedError: a core set is being written for longer than that takes.
        NewerFormatError: a newer program built one.
    """
    dropped = 0
    with writing(home):
        if not is_held(_building(home)):
            shutil.rmtree(asking(home), ignore_errors=True)  # of a build that was killed
        for path in sorted(home.core.glob("*.jsonl")):
            dropped += _drop(path, home.bases / path.stem, records)
    return dropped


def asked(home: Home) -> Iterator[tuple[str, str]]:
    """Yield the exchange and the words of every question of the user's in a core set; its line may long be deleted.

    Raises:
        NewerFormatError: a newer program built one.
    """
    for path in sorted(home.core.glob("*.jsonl")):
        try:
            tasks = read_core(path).tasks
        except NewerFormatError:
            raise
        except DataError:
            continue  # goes whole with the first forgetting
        yield from ((task.record, task.messages[-1].content) for task in tasks if task.record)


def drop_derived(cache: Path) -> None:
    """Delete the base's answers and the curvature at them; both are made again by whoever needs them.

    The answers are named by digests that do not say whose question they are to, so all of them go.
    """
    shutil.rmtree(cache / "core-answers", ignore_errors=True)
    for anchor in cache.glob("core-anchor-*.safetensors"):
        anchor.unlink(missing_ok=True)


def _drop(path: Path, cache: Path, records: frozenset[str]) -> int:
    try:
        found = read_core(path)
    except NewerFormatError:
        raise
    except DataError as error:
        log.warning("a core set that cannot be read is deleted: %s", error, extra=action("core.damaged"))
        drop_derived(cache)
        path.unlink()
        return 0
    kept = [task for task in found.tasks if task.record not in records]
    dropped = len(found.tasks) - len(kept)
    if dropped:
        drop_derived(
            cache
        )  # before the tasks: after a crash in between nothing is left that no task tells of
        write_core(path, kept, made_s=found.made_s)
    return dropped


def _building(home: Home) -> Path:
    return home.root / "core-build.lock"
