"""Reads and writes what crosses the border between sidecar and worker; a malformed file is named, never half used."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import TrainingError
from laimark_sidecar.files import write_atomic
from laimark_sidecar.training.job import FORMAT_VERSION, Example, Progress, TrainJob, TrainResult

RESULT_FILE = "result.json"
ADAPTER_DIR = "adapter"
CURVATURE_FILE = "curvature.safetensors"
LOSSES_FILE = "losses.jsonl"

_T = TypeVar("_T")


class _Header(msgspec.Struct):
    version: int = FORMAT_VERSION


def write_job(path: Path, job: TrainJob) -> None:
    """Write `job.json`; durable when it returns."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(job)) + b"\n")


def read_job(path: Path) -> TrainJob:
    """Read and check `job.json`.

    Raises:
        TrainingError: missing, malformed, from a newer version, or with a value that no training can use.
    """
    job = _decode(path, _read(path), TrainJob)
    problem = _problem(job)
    if problem:
        raise TrainingError(f"training job {path} cannot be used: {problem}")
    return job


def read_result(out_dir: Path) -> TrainResult:
    """Read `result.json` of a finished job's result folder.

    Raises:
        TrainingError: missing or malformed, which a published result folder never is.
    """
    path = out_dir / RESULT_FILE
    return _decode(path, _read(path), TrainResult)


def write_examples(path: Path, examples: Iterable[Example]) -> None:
    """Write one JSON line an example; durable when it returns."""
    write_atomic(path, b"".join(msgspec.json.encode(example) + b"\n" for example in examples))


def read_examples(path: Path) -> tuple[Example, ...]:
    """Read `examples.jsonl` in order.

    Raises:
        TrainingError: missing, or a line is malformed; says which line, never what it holds.
    """
    lines = _read(path).splitlines()
    return tuple(_decode(f"{path}:{number}", line, Example) for number, line in enumerate(lines, start=1))


def encode_progress(progress: Progress) -> str:
    """Return the record as one line of JSON, without its newline."""
    return msgspec.json.encode(progress).decode()


def decode_progress(line: str) -> Progress | None:
    """Parse a line of the worker's stdout; None where a library printed something of its own."""
    try:
        return decode_json(line, Progress)
    except MalformedError:
        return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrainingError(f"cannot read {path}: {error.strerror}") from error


def _decode(where: Path | str, content: bytes, kind: type[_T]) -> _T:
    try:
        header = decode_json(content, _Header)
        if header.version > FORMAT_VERSION:
            raise TrainingError(
                f"{where} has format version {header.version}, this program reads up to {FORMAT_VERSION}",
                hint="install the same laimark-sidecar version for the sidecar and for the training worker",
            )
        return decode_json(content, kind)
    except MalformedError as error:
        raise TrainingError(f"{where} is malformed: {error}") from error


def _problem(job: TrainJob) -> str:
    for name in ("batch_size", "micro_batch_size", "max_length", "rank", "checkpoint_every_steps"):
        if getattr(job, name) < 1:
            return f"{name} is {getattr(job, name)}, expected at least 1"
    for name in ("learning_rate", "alpha", "clip_norm", "kl_soft", "kl_stop"):
        if not getattr(job, name) > 0:
            return f"{name} is {getattr(job, name)}, expected more than 0"
    for name in (
        "steps",
        "new_share",
        "user_share",
        "core_share",
        "lambda_core",
        "lambda_user",
        "core_weight",
        "user_weight",
    ):
        if not getattr(job, name) >= 0:
            return f"{name} is {getattr(job, name)}, expected 0 or more"
    for name, most in (("gamma", 1.0), ("average", 0.99)):
        if not 0 <= getattr(job, name) <= most:
            return f"{name} is {getattr(job, name)}, expected 0 to {most:g}"
    if job.parent_curvature and not job.parent_adapter:
        return "parent_curvature is given without parent_adapter, the point that it belongs to"
    return ""
