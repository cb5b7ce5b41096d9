"""`python -m laimark_sidecar.bench`: measure ways to learn over a stream of users, on any base.

Question: on a real language model, does the product's way to learn keep more of the base and of earlier users, for the same
gain, than replay alone, other penalties or plain sequential LoRA? And what would prompt memory over the same corrections
have given without any training?

Regime: users are code bases of this environment; each cycle asks completion tasks, scores them first and trains on them
then, and after some cycles another user comes. Every arm has the product's loop, governor and step count; what differs is in
`arms.py`. Exams come from files that are never trained on.
Ceiling: the `joint` arm, which trains from the base on all lessons so far at once, with the steps of all cycles so far.

Exit codes: 0 done; 75 stopped, run again to go on; others as the command line's; 70 a bug.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from laimark_sidecar import logs
from laimark_sidecar.errors import LaimarkError, MissingExtraError
from laimark_sidecar.pipeline.benchmark import Event, encode_event
from laimark_sidecar.training.launch import EXIT_YIELDED, PARENT_PID_VARIABLE
from laimark_sidecar.training.worker.stop import watch_parent

if TYPE_CHECKING:
    from laimark_sidecar.bench.options import Asked

_EXIT_BUG = 70
_NICE = 10

Tell = Callable[[Event], None]


def main(arguments: list[str]) -> int:
    """Run what is missing, or report what is there; return the exit code."""
    # Between any two lines a run may end: a cell is written whole or not at all.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logs.configure(level=logging.WARNING)
    tell: Tell = _as_json if "--events" in arguments else _as_text
    try:
        _settle()
        _require_packages()
        from laimark_sidecar.bench.options import read
        from laimark_sidecar.bench.work import work

        asked: Asked = read(arguments)
        tell(work(asked, tell))
    except KeyboardInterrupt:
        sys.stderr.write("stopped; what is finished is kept, and the same command goes on\n")
        sys.stderr.flush()
        # An orderly shutdown of torch would only cost the user time.
        os._exit(EXIT_YIELDED)
    except LaimarkError as error:
        tell(Event(kind="failed", text=str(error), hint=error.hint))
        return error.exit_code
    except Exception:  # noqa: BLE001 - the process's last line of defence: a bug becomes exit 70, with its traceback
        traceback.print_exc()
        return _EXIT_BUG
    return 0


def _settle() -> None:
    """Stay out of the user's way: no network, and where another process started this one, lower priority and gone with it."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    parent = os.environ.get(PARENT_PID_VARIABLE, "")
    if parent.isdigit() and hasattr(os, "nice"):
        os.nice(_NICE)
        watch_parent(int(parent))


def _require_packages() -> None:
    try:
        # In this order: the others blame themselves for a missing torch.
        for package in ("torch", "transformers", "peft"):
            importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the training packages cannot be imported: {error}", hint='pip install "laimark-sidecar[train]"'
        ) from error


def _as_json(event: Event) -> None:
    sys.stdout.write(encode_event(event) + "\n")
    sys.stdout.flush()


def _as_text(event: Event) -> None:
    match event.kind:
        case "plan":
            sys.stderr.write(f"{event.text}\n")
        case "cell":
            sys.stderr.write(f"{event.share:4.0%} {event.text}\n")
        case "failed":
            sys.stderr.write(f"error: {event.text}\n" + (f"hint: {event.hint}\n" if event.hint else ""))
        case "done":
            sys.stdout.write(event.summary + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
