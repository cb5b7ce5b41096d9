"""Scores candidates on the artefact that will be served: the GGUF base with the GGUF adapter, in llama.cpp, in a child.

`python -m laimark_sidecar.validation.scorer JOB RESULT` reads a `ScoreJob`, writes `ScoreProgress` lines to stdout and
`Scores` to RESULT. A child, because a bad adapter can take llama.cpp and its process down.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError, LaimarkError, RunnerError
from laimark_sidecar.files import make_dir, write_atomic
from laimark_sidecar.llamacpp.crash import child_environment, explain
from laimark_sidecar.validation.fingerprint import Fingerprint
from laimark_sidecar.validation.score_job import (
    Candidate,
    ItemScore,
    KlScore,
    ScoreItem,
    ScoreJob,
    ScoreProgress,
    Scores,
)
from laimark_sidecar.validation.scoring import run

__all__ = [
    "Candidate",
    "ItemScore",
    "KlScore",
    "ScoreItem",
    "ScoreJob",
    "ScoreProgress",
    "Scores",
    "ScoringStoppedError",
    "fingerprint",
    "score",
]

_POLL_S = 0.1
T = TypeVar("T")


class ScoringStoppedError(LaimarkError):
    """Scoring was asked to stop, and did; no result was written."""


def score(
    job: ScoreJob,
    work: Path,
    *,
    on_progress: Callable[[ScoreProgress], None] = lambda _progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Scores:
    """Score a job in a child process.

    Args:
        job: what to score.
        work: folder for the job, the result and the child's log; made if it is not there.
        on_progress: called in this thread.
        should_stop: asked ten times a second; True ends the child.

    Raises:
        ScoringStoppedError: `should_stop` said so.
        RunnerError: the base or an adapter cannot be loaded, or crashes llama.cpp; says which way.
    """
    make_dir(work)
    job_path, result_path, log_path = work / "job.json", work / "scores.json", work / "scorer.log"
    write_atomic(job_path, msgspec.json.encode(job))
    result_path.unlink(missing_ok=True)
    # -P: the folder that the user happens to be in may hold a module named like one of ours.
    command = [
        sys.executable,
        "-P",
        "-m",
        "laimark_sidecar.validation.scorer",
        str(job_path),
        str(result_path),
    ]
    progress_path = work / "progress.jsonl"
    with progress_path.open("wb") as output, log_path.open("wb") as errors:
        # A group of its own: Ctrl-C in the terminal reaches the sidecar alone, whose `should_stop` ends the child. Else
        # the child would die first, and a stop would be taken for a failure.
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=child_environment(),
            start_new_session=True,
        )
        try:
            _follow(child, progress_path, on_progress, should_stop)
        finally:
            child.kill()
            child.wait()
    if child.returncode != 0:
        reason = explain(child.returncode, log_path.read_bytes())
        raise RunnerError(f"scoring on {job.base_gguf} failed: {reason}", hint=f"details: {log_path}")
    return _read(result_path.read_bytes(), Scores)


def fingerprint(
    base: Path, adapter: Path | None, work: Path, *, scale: float = 1.0, prompts: str = "", threads: int = 0
) -> Fingerprint:
    """Return what `base` with `adapter` answers to the fixed prompt, computed in a child; raises as `score` does."""
    candidate = Candidate(
        name="fingerprint", adapter_gguf="" if adapter is None else str(adapter), scale=scale
    )
    return score(
        ScoreJob(base_gguf=str(base), candidates=(candidate,), prompts=prompts, threads=threads), work
    ).fingerprints[0]


def _follow(
    child: subprocess.Popen[bytes],
    progress_path: Path,
    on_progress: Callable[[ScoreProgress], None],
    should_stop: Callable[[], bool],
) -> None:
    # A file and not a pipe: nobody has to read it for the child to go on, and both ends may die.
    with progress_path.open("rb") as lines:
        partial = b""
        running = True
        while running:
            running = child.poll() is None
            *whole, partial = (partial + lines.read()).split(b"\n")
            for line in whole:
                on_progress(_read(line, ScoreProgress))
            if running and should_stop():
                raise ScoringStoppedError("scoring was stopped")
            if running:
                time.sleep(_POLL_S)


def _read(content: bytes, kind: type[T]) -> T:
    try:
        return decode_json(content, kind)
    except MalformedError as error:
        raise DataError(f"malformed {kind.__name__}: {error}") from error


def _emit(progress: ScoreProgress) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(progress) + b"\n")
    sys.stdout.buffer.flush()


def main(arguments: list[str]) -> int:
    """Run the child's side; the reason of a failure is the last line on stderr."""
    job_path, result_path = map(Path, arguments)
    try:
        scores = run(_read(job_path.read_bytes(), ScoreJob), _emit)
    except LaimarkError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    write_atomic(result_path, msgspec.json.encode(scores))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
