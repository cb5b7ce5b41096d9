"""Runs one training job in a child process: only the end of a process gives all memory back.

The child yields on SIGTERM with a checkpoint; one that does not within the grace is killed and resumes from its
last periodic checkpoint. It dies with its parent (it watches the parent's pid).
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import MissingExtraError, TrainingError
from laimark_sidecar.logs import action
from laimark_sidecar.training.job import Progress, TrainResult
from laimark_sidecar.training.jobfile import decode_progress, read_job, read_result

log = logging.getLogger(__name__)

EXIT_YIELDED = 75
"""EX_TEMPFAIL: the worker wrote a checkpoint and stopped because it was asked to."""
PARENT_PID_VARIABLE = "LAIMARK_PARENT_PID"
MODULE = "laimark_sidecar.training.worker"
_POLL_S = 0.1
_STDERR_LINES = 20
_NOTHING_MORE: Mapping[str, str] = {}
_KILLED = -9  # SIGKILL, which Windows does not name
_ENDED_BY_US = (
    _KILLED,
    -signal.SIGTERM,
)  # SIGTERM itself: an interpreter that had not yet come to our handler


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a worker ended: `done` has a result, `yielded` can be run again and goes on, `failed` says why."""

    kind: Literal["done", "yielded", "failed"]
    result: TrainResult | None = None
    error: str = ""


def run_worker(
    job_path: Path,
    *,
    python: str = sys.executable,
    on_progress: Callable[[Progress], None],
    should_stop: Callable[[], bool],
    grace_s: float = 5.0,
    threads: int | None = None,
) -> Outcome:
    """Run the job to its end, or until `should_stop()` is true; blocks, and leaves no process behind.

    Args:
        job_path: `job.json`.
        python: interpreter of the environment that has the training packages.
        on_progress: called in this thread with each progress record.
        should_stop: asked at least every 0.2 s.
        grace_s: how long a worker may take to write its checkpoint before it is killed.
        threads: processor threads for the worker; None leaves it to the environment.

    Raises:
        TrainingError: the job file itself is malformed.
        MissingExtraError: `python` has no training packages.
    """
    job = read_job(job_path)
    with _started(job_path, python=python, threads=threads) as worker:
        asked = _watch(worker, on_progress=on_progress, should_stop=should_stop, grace_s=grace_s)
        code = worker.process.wait()
    error = _error_of(worker.stderr_tail)
    if code == MissingExtraError.exit_code:
        raise MissingExtraError(
            f"{python} cannot train: {error.partition(chr(10))[0]}",
            hint='pip install "laimark-sidecar[train]"',
        )
    if code == EXIT_YIELDED or (asked and code in _ENDED_BY_US):
        log.info("training yielded", extra=action("training.yielded"))
        return Outcome(kind="yielded")
    if code != 0:
        return Outcome(kind="failed", error=error or _describe(code))
    try:
        return Outcome(kind="done", result=read_result(Path(job.out_dir)))
    except TrainingError as failure:
        return Outcome(kind="failed", error=str(failure))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worker:
    process: subprocess.Popen[str]
    progress: queue.SimpleQueue[Progress]
    stderr_tail: deque[str]
    progress_reader: threading.Thread


def spawn(
    python: str,
    module: str,
    arguments: Sequence[str],
    *,
    what: str,
    stderr: int | IO[str],
    environment: Mapping[str, str] = _NOTHING_MORE,
) -> subprocess.Popen[str]:
    """Start a module of ours as a process that may import torch; it is told whose end is its own.

    Args:
        python: interpreter of the environment that has the training packages.
        module: to run.
        arguments: of the module.
        what: names the process in messages.
        stderr: as of `subprocess.Popen`; stdout is a pipe.
        environment: beside this process's own.

    Raises:
        TrainingError: `python` cannot be started.
    """
    try:
        # A group of its own: Ctrl-C in the terminal must reach the sidecar alone, which then asks for an end.
        return subprocess.Popen(
            [python, "-P", "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, PARENT_PID_VARIABLE: str(os.getpid()), "HF_HUB_OFFLINE": "1", **environment},
            start_new_session=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise TrainingError(
            f"cannot start the {what} with {python!r}: {error.strerror}",
            hint="check `training.python` in the configuration",
        ) from error


@contextlib.contextmanager
def _started(job_path: Path, *, python: str, threads: int | None) -> Iterator[_Worker]:
    environment = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    process = spawn(
        python,
        MODULE,
        [str(job_path)],
        what="training worker",
        stderr=subprocess.PIPE,
        environment=environment,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    progress: queue.SimpleQueue[Progress] = queue.SimpleQueue()
    tail: deque[str] = deque(maxlen=_STDERR_LINES)
    readers = (
        threading.Thread(target=_read_progress, args=(process.stdout, progress), name="training-progress"),
        threading.Thread(target=_read_stderr, args=(process.stderr, tail), name="training-stderr"),
    )
    worker = _Worker(process=process, progress=progress, stderr_tail=tail, progress_reader=readers[0])
    for reader in readers:
        reader.start()
    try:
        yield worker
    finally:
        if process.poll() is None:
            _kill(process)
            process.wait()
        for reader in readers:
            reader.join()
        process.stdout.close()
        process.stderr.close()


def _watch(
    worker: _Worker,
    *,
    on_progress: Callable[[Progress], None],
    should_stop: Callable[[], bool],
    grace_s: float,
) -> bool:
    """Hand progress on until the worker ends; return whether it was asked to."""
    clock = SystemClock()
    deadline: float | None = None
    killed = False
    while worker.process.poll() is None:
        with contextlib.suppress(queue.Empty):
            on_progress(worker.progress.get(timeout=_POLL_S))
        if deadline is None and should_stop():
            log.info("asking the worker to yield", extra=action("training.yield"))
            worker.process.send_signal(signal.SIGTERM)
            deadline = clock.monotonic_s() + grace_s
        elif deadline is not None and not killed and clock.monotonic_s() > deadline:
            log.warning("worker did not yield in %.1f s, killing it", grace_s, extra=action("training.kill"))
            _kill(worker.process)
            killed = True
    worker.progress_reader.join()  # the last lines may still be in the pipe
    while not worker.progress.empty():
        on_progress(worker.progress.get())
    return deadline is not None


def _kill(process: subprocess.Popen[str]) -> None:
    if os.name == "nt":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _read_progress(stream: IO[str], progress: queue.SimpleQueue[Progress]) -> None:
    for line in stream:
        record = decode_progress(line)
        if record is not None:
            progress.put(record)


def _read_stderr(stream: IO[str], tail: deque[str]) -> None:
    for line in stream:
        tail.append(line.rstrip())


def _error_of(tail: Sequence[str]) -> str:
    """Return the worker's own last word, or everything that is left of its log."""
    lines = list(tail)
    for number, line in enumerate(lines):
        if line.startswith("error: "):
            return "\n".join([line.removeprefix("error: "), *lines[number + 1 :]])
    return "\n".join(lines)


def _describe(code: int) -> str:
    if code == _KILLED:
        return "the worker was killed (SIGKILL), most likely for want of memory: lower micro_batch_size or max_length"
    return f"the worker ended with {'signal ' + str(-code) if code < 0 else 'exit code ' + str(code)} and said nothing"
