"""The demo's main job: work, learn, work, learn; examine base and tuned model on other files; step back; check claims."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from laimark_sidecar.demo.code_base import CodeBase
from laimark_sidecar.demo.code_tasks import Task
from laimark_sidecar.demo.exam import Marks, mark
from laimark_sidecar.demo.stage import Stage
from laimark_sidecar.demo.user import Client, Session, examine, work
from laimark_sidecar.errors import TrainingError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import control
from laimark_sidecar.pipeline.folder import Closed, CycleFolder, cycles
from laimark_sidecar.training.jobfile import RESULT_FILE, read_result

Say = Callable[[str, float], None]
"""What is going on, and the share of it that is done."""
STANDSTILL_S = 420.0
"""A cycle takes as long as the machine needs; one that does nothing new for this long is stuck."""
POLL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One session of the user and the cycle that followed it."""

    session: Session
    closed: Closed
    cycle: CycleFolder
    answers: tuple[str, ...]
    """Of the stable tuned name to the exam, after the cycle."""
    marks: Marks
    seconds: float
    """From the end of the session until the new version answered."""
    step_seconds: float
    """Of one optimiser step, on average; 0 where the cycle took none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """All rounds, and the base's answers to the same exam."""

    base_answers: tuple[str, ...]
    base_marks: Marks
    rounds: tuple[Round, ...]


def run_course(
    stage: Stage, code: CodeBase, *, rounds: int, base_name: str, tuned_name: str, say: Say
) -> Course:
    """Let the user work `rounds` sessions, with a cycle after each, and examine after each cycle.

    Raises:
        TrainingError: a cycle failed or did not end in time.
        RunnerError: the runner or the daemon died.
    """
    user, examiner = Client(stage.url), Client(stage.url, record=False)
    base_answers = examine(
        examiner, base_name, code.exam, done=_telling(say, f"exam of `{base_name}`", len(code.exam))
    )
    base_marks = mark(code.exam, base_answers)
    finished: list[Round] = []
    for number in range(1, rounds + 1):
        tasks = share_of(code.work, number, rounds)
        label = f"session {number}: asking and correcting"
        session = work(user, tuned_name, tasks, done=_telling(say, label, len(tasks)))
        started_s = time.monotonic()
        cycle, closed = learn(stage, label=f"cycle {number}", say=say)
        seconds = time.monotonic() - started_s
        answers = examine(
            examiner, tuned_name, code.exam, done=_telling(say, f"exam of `{tuned_name}`", len(code.exam))
        )
        marks = mark(code.exam, answers)
        say(f"exam of `{tuned_name}`: {_shown(marks)}; `{base_name}`: {_shown(base_marks)}", 1.0)
        finished.append(
            Round(
                session=session,
                closed=closed,
                cycle=cycle,
                answers=answers,
                marks=marks,
                seconds=seconds,
                step_seconds=step_seconds(cycle),
            )
        )
    return Course(base_answers=base_answers, base_marks=base_marks, rounds=tuple(finished))


def share_of(tasks: Sequence[Task], number: int, rounds: int) -> Sequence[Task]:
    """Return the tasks of session `number`, from 1: all sessions together take each once, none more than one extra."""
    return tasks[(number - 1) * len(tasks) // rounds : number * len(tasks) // rounds]


def learn(
    stage: Stage, *, label: str, say: Say, standstill_s: float = STANDSTILL_S
) -> tuple[CycleFolder, Closed]:
    """Wait until the daemon has noticed the new items and has carried a cycle to its end.

    Raises:
        TrainingError: the daemon found nothing to learn, or stood still for `standstill_s`.
        RunnerError: the runner or the daemon died.
    """
    home = Home(root=stage.home)
    seen = {cycle.id for cycle in cycles(home.cycles) if cycle.closed()}
    control.request_training(home)
    last, moved_s = ("", 0.0), time.monotonic()
    while time.monotonic() - moved_s < standstill_s:
        stage.require_running()
        # Before the cycles: the daemon drops the request only after it has closed the cycle.
        pending = control.training_requested(home)
        for cycle in cycles(home.cycles):
            closed = cycle.closed()
            if closed and cycle.id not in seen:
                say(f"{label}: {closed.ending} {closed.version or closed.reason}", 1.0)
                return cycle, closed
        if not pending:
            raise TrainingError(
                "the session taught too little to learn from, or to judge by",
                hint=f"ask more: demo --asks; the daemon's reason is in {home.root / 'logs' / 'run.log'}",
            )
        activity = control.told(home)
        if activity:
            say(f"{label}: {activity.reason}", activity.share)
            if (activity.reason, activity.share) != last:
                last, moved_s = (activity.reason, activity.share), time.monotonic()
        time.sleep(POLL_S)
    raise TrainingError(
        f"{label} has stood still for {standstill_s:.0f} s, at {last[0] or 'nothing'}",
        hint=f"look at {home.root / 'logs' / 'run.log'}",
    )


def step_seconds(cycle: CycleFolder) -> float:
    """Return the mean duration of the cycle's optimiser steps; 0 where it took none."""
    if not (cycle.result / RESULT_FILE).is_file():
        return 0.0
    result = read_result(cycle.result)
    return result.seconds / result.steps if result.steps else 0.0


def _shown(marks: Marks) -> str:
    return f"{marks.exact_mean:.1%} exact, {marks.similarity_mean:.1%} similar"


def _telling(say: Say, label: str, total: int) -> Callable[[int], None]:
    return lambda done: say(label, done / total)
