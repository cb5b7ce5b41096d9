"""Question: on a real (tiny) language model, is EWC on the weight update with the `input` curvature the best arm?

Does it keep more of the base and of earlier users, for the same gain, than replay alone, dense diagonal EWC, EWC on A and B apart, L2
or plain sequential LoRA? And what would prompt memory over the same corrections have given without any training?

Regime: users are code bases of this environment that the base was not trained on; each cycle asks completion tasks,
scores them first and trains on them then, and after some cycles another user comes. Every arm has the product's loop,
governor and step count; what differs is in `laimark_sidecar/bench/arms.py`. Exams come from files that are never trained on.
Ceiling: the `joint` arm, which trains from the base on all lessons so far at once, with the steps of all cycles so far.

A run may be killed at any time: started again it goes on with the first cell that is not there. `--report` reads a run
folder, finished or not, and writes tables and plots. Progress is on stderr; the last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

from laimark_sidecar.bench.arms import chosen
from laimark_sidecar.bench.course import run
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.paths import modelfiles


def main() -> None:
    """Run what is missing, or report what is there."""
    options = _options()
    if options.report:
        from laimark_sidecar.bench.report import report

        print(json.dumps(report(Path(options.report), to=Path(options.to or options.report))))
        return
    torch.set_num_threads(options.threads)
    settings = Settings(
        base=options.base,
        cycles=options.cycles,
        tasks=options.tasks,
        exam=options.exam,
        stay=options.stay,
        steps=options.steps,
        learning_rate=options.learning_rate,
        autocast=options.autocast,
        kl_soft=options.kl_soft,
        oracle_every=options.oracle_every,
        exam_every=options.exam_every,
        library=options.library,
        written=options.written,
        core_wide=options.core_wide,
        core_exam=options.core_exam,
        reservoir=options.reservoir,
    )
    out, clock = Path(options.out), SystemClock()
    begun = clock.monotonic_s()
    ran = run(settings, chosen(options.arms), out, seeds=options.seeds, clock=clock, say=_say)
    print(json.dumps({"out": str(out), "cells_run": ran, "seconds": round(clock.monotonic_s() - begun, 1)}))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = Settings(base="")
    parser.add_argument("--base", default=str(modelfiles() / "demo_base"), help="folder of the training base")
    parser.add_argument("--arms", default="all", help="comma-separated, or all")
    parser.add_argument("--cycles", type=int, default=defaults.cycles)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=defaults.tasks, help="new tasks a cycle")
    parser.add_argument("--exam", type=int, default=defaults.exam, help="tasks of each user's exam")
    parser.add_argument("--stay", type=int, default=defaults.stay, help="cycles until the next user comes")
    parser.add_argument("--steps", type=int, default=defaults.steps, help="optimiser steps a cycle")
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument(
        "--kl-soft",
        type=float,
        default=defaults.kl_soft,
        help="the governor's budget, nats; a sweep shows the frontier",
    )
    parser.add_argument("--autocast", action=argparse.BooleanOptionalAction, default=defaults.autocast)
    parser.add_argument("--oracle-every", type=int, default=0, help="cycles between two trainings of joint")
    parser.add_argument(
        "--exam-every", type=int, default=defaults.exam_every, help="cycles between two exams"
    )
    parser.add_argument(
        "--library",
        type=int,
        default=defaults.library,
        help="lines of library files in each exam; wider than the core",
    )
    parser.add_argument(
        "--core-wide",
        type=int,
        default=defaults.core_wide,
        help="prompts that the arms with a wide core replay",
    )
    parser.add_argument("--core-exam", type=int, default=defaults.core_exam, help="core prompts of each exam")
    parser.add_argument(
        "--reservoir", type=int, default=defaults.reservoir, help="earlier tasks to replay from"
    )
    parser.add_argument("--written", type=int, default=defaults.written, help="tasks also answered greedily")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", default="learning_runs", help="run folder")
    parser.add_argument("--report", default="", help="run folder to read instead of running")
    parser.add_argument("--to", default="", help="where the report goes; the run folder itself if not given")
    return parser.parse_args()


if __name__ == "__main__":
    main()
