"""Starts the learning benchmark in a process of its own, as training is, and hands on what it says.

The process writes one JSON line an event to stdout. Asked to stop it ends between two cells: what a cell needs is on disk.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal

import msgspec

from laimark_sidecar.config.load import load
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import (
    ConfigError,
    ConversionError,
    DataError,
    LaimarkError,
    LockedError,
    MissingExtraError,
    RunnerError,
    StateError,
    TrainingError,
)
from laimark_sidecar.paths import Home, modelfiles
from laimark_sidecar.pipeline.base import SHIPPED, resolve
from laimark_sidecar.training.launch import EXIT_YIELDED, spawn

MODULE = "laimark_sidecar.bench"
GRACE_S = 5.0
"""For the end of the matrix product that is under way."""
_STDERR_LINES = 20
_ERRORS: dict[int, type[LaimarkError]] = {
    kind.exit_code: kind
    for kind in (
        ConfigError,
        ConversionError,
        DataError,
        LockedError,
        MissingExtraError,
        RunnerError,
        StateError,
        TrainingError,
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What the benchmark's process says."""

    kind: Literal["plan", "cell", "done", "failed"]
    text: str = ""
    """What will be run; what was done; where the report is; what is wrong."""
    share: float = 0.0
    """Of all work."""
    hint: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    """The table of the end."""
    summary: str = "{}"
    """For scripts: JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a home gives a benchmark."""

    python: str = sys.executable
    threads: int = 0
    """0: as many as torch takes."""
    base: Path
    built_core: Path | None = None
    """The core set that was built for this base."""
    note: str = ""
    """Why it is not the base of the home."""


def given(home: Home, *, base: Path | None = None, python_only: bool = False) -> Given:
    """Return what a benchmark takes from a home: the demo base where none is set up, or its base cannot be trained on yet.

    Args:
        home: may not be set up.
        base: folder to measure instead of the home's.
        python_only: no base is needed, so none is looked for.

    Raises:
        ConfigError: the configuration, or the base that it names, cannot be used.
    """
    demo = modelfiles() / SHIPPED
    if not home.config.is_file():
        return Given(base=base or demo)
    config = load(home.config)
    settings = Given(
        python=config.training.python or sys.executable,
        threads=config.training.threads,
        base=(base or demo).absolute(),
    )
    if python_only:
        return settings
    served = resolve(home, config)
    if base is None and not served.hf_dir.is_dir():
        note = "the base of this home is made ready for training by its first cycle; until then the demo base is measured"
        return replace(settings, note=note)
    measured = (base or served.hf_dir).absolute()
    is_served = served.hf_dir.is_dir() and measured.is_dir() and measured.samefile(served.hf_dir)
    return replace(
        settings, base=measured, built_core=served.core if is_served and served.core.is_file() else None
    )


def run_benchmark(
    python: str, arguments: Sequence[str], *, on_event: Callable[[Event], None]
) -> Event | None:
    """Run the process to its end; blocks, and leaves no process behind. Return its last word, None where it was stopped.

    Ctrl-C, as KeyboardInterrupt in this thread, stops it.

    Raises:
        LaimarkError: of the kind and exit code that it ended with.
    """
    last: Event | None = None
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr:
        process = spawn(python, MODULE, arguments, what="benchmark", stderr=stderr)
        assert process.stdout is not None
        try:
            for event in _events(process.stdout):
                last = event
                if event.kind in ("plan", "cell"):
                    on_event(event)
            code = process.wait()
        except KeyboardInterrupt:
            code = EXIT_YIELDED
        finally:
            _stop(process)
        if code == EXIT_YIELDED:
            return None
        if code == 0 and last is not None and last.kind == "done":
            return last
        stderr.seek(0)
        raise _failure(code, last, stderr.read().splitlines()[-_STDERR_LINES:])


def encode_event(event: Event) -> str:
    """Return the event as one line."""
    return msgspec.json.encode(event).decode()


def _events(stream: IO[str]) -> Iterator[Event]:
    for line in stream:
        # What third parties print is no event.
        with contextlib.suppress(MalformedError):
            yield decode_json(line, Event)


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _failure(code: int, last: Event | None, stderr: Sequence[str]) -> LaimarkError:
    kind = _ERRORS.get(code, TrainingError)
    if last is not None and last.kind == "failed":
        return kind(last.text, hint=last.hint)
    said = "\n".join(stderr) or "it said nothing"
    return TrainingError(f"the benchmark ended with code {code}: {said}")
