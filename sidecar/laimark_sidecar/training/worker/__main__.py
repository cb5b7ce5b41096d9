"""`python -m laimark_sidecar.training.worker job.json`: progress to stdout, logs to stderr.

Exit codes: 0 the result folder is there; 75 (EX_TEMPFAIL) yielded, run again to go on; 9 the job failed;
12 the training packages are missing; 70 a bug. Signals are obeyed from the first line on: imports take seconds.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from dataclasses import replace
from pathlib import Path

from laimark_sidecar import logs
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import LaimarkError, MissingExtraError, TrainingError
from laimark_sidecar.training.job import Progress, TrainJob
from laimark_sidecar.training.jobfile import encode_progress, read_job
from laimark_sidecar.training.launch import EXIT_YIELDED, PARENT_PID_VARIABLE
from laimark_sidecar.training.worker.stop import StopFlag, StopRequestedError, watch_parent

_EXIT_BUG = 70
_EXIT_USAGE = 2
_NICE = 10


def main(arguments: list[str]) -> int:
    """Run one job; return the exit code."""
    stop = StopFlag()
    stop.install()
    logs.configure(level=logging.INFO)
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m laimark_sidecar.training.worker job.json\n")
        return _EXIT_USAGE
    _settle()
    try:
        _train(read_job(Path(arguments[0])), stop)
    except StopRequestedError:
        # The checkpoint is durable; an orderly shutdown of torch would only cost the user time.
        sys.stdout.flush()
        os._exit(EXIT_YIELDED)
    except LaimarkError as error:
        sys.stderr.write(f"error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    except Exception:  # noqa: BLE001 - the process's last line of defence: a bug becomes exit 70, with its traceback
        traceback.print_exc()
        return _EXIT_BUG
    # The result is durable; tearing torch down in order takes seconds of the user's processor.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _settle() -> None:
    """Stay out of the user's way: lowest useful priority, no network, gone when the sidecar is gone."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # What makes CUDA's matrix products repeatable.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if hasattr(os, "nice"):
        os.nice(_NICE)
        parent = os.environ.get(PARENT_PID_VARIABLE, "")
        if parent.isdigit():
            watch_parent(int(parent))


def _train(job: TrainJob, stop: StopFlag) -> None:
    clock = SystemClock()
    started_s = clock.monotonic_s()

    def emit(progress: Progress) -> None:
        stamped = replace(progress, seconds=clock.monotonic_s() - started_s)
        sys.stdout.write(encode_progress(stamped) + "\n")
        sys.stdout.flush()

    emit(Progress(step=0, steps=job.steps, phase="load"))
    try:
        for package in (
            "torch",
            "transformers",
            "peft",
        ):  # in this order: the others blame themselves for a missing torch
            importlib.import_module(package)
        from laimark_sidecar.training.worker.session import run
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the training packages cannot be imported: {error}",
            hint='pip install "laimark-sidecar[train]"',
        ) from error
    import torch
    from safetensors import SafetensorError

    try:
        run(job, stop=stop, emit=emit, clock=clock)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"cannot write under {Path(job.work_dir).parent}: {error}",
            hint="free disk space and check the folder's permissions; the job goes on where it stopped",
        ) from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(job) from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error) or "out of memory" in str(error).lower():
            raise _out_of_memory(job) from error
        raise


def _out_of_memory(job: TrainJob) -> TrainingError:
    return TrainingError(
        f"out of memory with micro_batch_size {job.micro_batch_size} and max_length {job.max_length}",
        hint="lower micro_batch_size first (the same result, to rounding), then max_length, then rank",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
