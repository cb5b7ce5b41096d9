"""Runs EleutherAI's lm-eval against a runner's API, in a child whose interpreter may be another environment's.

Offline unless it is told otherwise: what is not on this machine is an error that says how to get it, never a download.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError, LaimarkError, MissingExtraError, RunnerError
from laimark_sidecar.validation import harness_child

_ERROR_LINES = 5
_SECRETS = ("OPENAI_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessJob:
    """What is asked of whom."""

    names: tuple[str, ...]
    """Served names, each asked the same questions."""
    url: str
    """Of chat completions in OpenAI's shape."""
    headers: Mapping[str, str]
    tasks: tuple[str, ...]
    include_path: str = ""
    """Folder of tasks of the user's own; empty for none."""
    limit: int = 0
    """Questions a task, its first; 0 for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricScores:
    """One metric of one task under one of lm-eval's filters."""

    task: str
    metric: str
    filter: str
    value: float
    """As lm-eval aggregates it."""
    higher_is_better: bool | None
    questions: tuple[int, ...]
    """Places in the task's data."""
    scores: tuple[float, ...]
    """One a question; empty where a question's score is not one number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there are no scores."""

    kind: Literal["missing", "task", "data", "likelihood", "refused"]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessResult:
    """What the child wrote."""

    lm_eval: str = ""
    """Its version."""
    scores: dict[str, tuple[MetricScores, ...]] = field(default_factory=dict)
    """By served name."""
    failure: Failure | None = None


class _Step(msgspec.Struct):
    step: str
    share: float


def run_harness(
    job: HarnessJob,
    work: Path,
    *,
    python: str = sys.executable,
    download: bool = False,
    on_progress: Callable[[str, float], None],
) -> HarnessResult:
    """Ask lm-eval's questions; blocks. The child shares the terminal's signals, so Ctrl-C ends both.

    Args:
        job: what to ask.
        work: existing folder for the job, the child's output and its result.
        python: interpreter of the environment that has lm_eval.
        download: let lm-eval fetch data from the Hugging Face hub.
        on_progress: called in this thread with what is being done and the share that is done.

    Raises:
        MissingExtraError: `python` has no lm_eval, or a task's data is not on this machine.
        DataError: no task has this name, or a task needs a package that is not there.
        RunnerError: a task asks what the runner's API cannot tell, or the runner refused.
        LaimarkError: lm-eval failed in a way of its own; says how.
    """
    job_path, result_path, log_path = work / "job.json", work / "result.json", work / "lm-eval.log"
    job_path.write_bytes(msgspec.json.encode(job))
    # -P: this file's folder holds a module named like one of Python's own.
    command = [python, "-P", harness_child.__file__, str(job_path), str(result_path)]
    with log_path.open("wb") as errors:
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(os.environ, job.url, download=download),
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise DataError(f"cannot start {python!r}: {error.strerror}", hint="check --python") from error
        assert child.stdout is not None
        try:
            for line in child.stdout:
                if step := _step(line):
                    on_progress(step.step, step.share)
            child.wait()
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
    if child.returncode != 0:
        raise LaimarkError(f"lm-eval failed: {last_lines(log_path.read_bytes())}")
    result = _read(result_path)
    if result.failure:
        raise failed(result.failure, python=python, download=download)
    return result


def environment(inherited: Mapping[str, str], url: str, *, download: bool) -> dict[str, str]:
    """Return the child's environment: no proxy before the runner, no keys, and no network unless `download`."""
    host = urlsplit(url).hostname or ""
    direct = ",".join(filter(None, [inherited.get("no_proxy") or inherited.get("NO_PROXY"), host]))
    kept = {name: value for name, value in inherited.items() if download or name not in _SECRETS}
    kept.pop("OPENAI_API_KEY", None)
    offline = {} if download else {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    return {**kept, "NO_PROXY": direct, "no_proxy": direct, "TOKENIZERS_PARALLELISM": "false", **offline}


def failed(failure: Failure, *, python: str, download: bool) -> LaimarkError:
    """Return the error that tells a person why there are no scores, and what to do."""
    match failure.kind:
        case "missing":
            ours = python == sys.executable
            return MissingExtraError(
                f"{python} has no {failure.message}, which the deep check needs",
                hint='pip install "laimark-sidecar[deep]"'
                if ours
                else f'{python} -m pip install "lm_eval[api]"',
            )
        case "data":
            return MissingExtraError(
                f"the data of a task is not {'to be had' if download else 'on this machine'}: {failure.message}",
                hint="fetch it once with --download; on a machine without a network, copy the folder that HF_HOME names "
                "(~/.cache/huggingface) from one that has it, or write a task on a file of your own and name its folder "
                "with --include-path. HF_HOME says where data is looked for; without --download HF_HUB_OFFLINE and "
                "HF_DATASETS_OFFLINE are set",
            )
        case "task":
            return DataError(failure.message, hint=f"the names it knows: {python} -m lm_eval ls tasks")
        case "likelihood":
            return RunnerError(
                f"{failure.message}: asks how likely given answers are, which no runner's chat API tells",
                hint="take a task that lets the model write (output_type: generate_until), such as gsm8k or ifeval",
            )
        case "refused":
            return RunnerError(
                f"the runner refused a question: {failure.message}",
                hint="a prompt that is too long: raise runner.context, or take a task with shorter ones",
            )


def last_lines(log: bytes) -> str:
    """Return the end of a log in one line: the reason that a traceback ends with, and a little before it."""
    lines = [line.strip() for line in log.decode("utf-8", "replace").splitlines() if line.strip()]
    return " | ".join(lines[-_ERROR_LINES:]) or "it said nothing"


def _step(line: str) -> _Step | None:
    """Parse a line of the child's stdout; None where a task's own program printed something."""
    try:
        return decode_json(line, _Step)
    except MalformedError:
        return None


def _read(path: Path) -> HarnessResult:
    try:
        return decode_json(path.read_bytes(), HarnessResult)
    except (OSError, MalformedError) as error:
        raise LaimarkError(f"lm-eval left no scores that can be read: {error}") from error
