"""Sessions, cycles and exams in their order; the daemon's part is played by a thread."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.demo.courses import runner, says, task

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.demo.code_base import CodeBase
from laimark_sidecar.demo.scenario import learn, run_course, share_of, step_seconds
from laimark_sidecar.demo.stage import Stage
from laimark_sidecar.errors import RunnerError, TrainingError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import control
from laimark_sidecar.pipeline.folder import Closed, CycleFolder
from laimark_sidecar.training.job import TrainResult


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(root=tmp_path / "home")
    (made.root / "logs").mkdir(parents=True)
    (made.root / "logs" / "run.log").write_text("one\ntwo\n")
    made.control.mkdir()
    return made


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield running
    running.kill()
    running.wait()


@contextmanager
def daemon(home: Home, answer: Callable[[int], None]) -> Iterator[None]:
    """Play the daemon: answer each request for a cycle, numbered from 1, until the block ends."""

    def loop() -> None:
        number = 0
        while not over.wait(0.01):
            if control.training_requested(home):
                number += 1
                answer(number)
                control.request_served(home)

    over = threading.Event()
    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def promotes(home: Home) -> Callable[[int], None]:
    def act(number: int) -> None:
        name = f"me:2026-11-22-000{number}"
        closed = Closed(ending="promoted", version=name, reason="passed", closed_s=float(number))
        CycleFolder(root=home.cycles / f"cycle-{number}").write_closed(closed)

    return act


@given(st.integers(1, 300), st.integers(1, 20))
def test_sessions_share_the_tasks_evenly_and_leave_none_out(count: int, rounds: int) -> None:
    tasks = [task(str(number)) for number in range(count)]
    shares = [share_of(tasks, number, rounds) for number in range(1, rounds + 1)]
    assert [one for share in shares for one in share] == tasks
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_every_session_is_followed_by_a_cycle_and_an_exam(
    home: Home, process: subprocess.Popen[bytes]
) -> None:
    code = CodeBase(
        root=home.root,
        work=(task("right", prompt="w1"), task("other", prompt="w2")),
        exam=(task("right", prompt="e1"),),
        work_files=1,
        exam_files=1,
    )
    said: list[tuple[str, float]] = []
    with (
        runner(lambda body: says("wrong" if body["model"] == "base" else "right")) as (url, heard),
        daemon(home, promotes(home)),
    ):
        stage = Stage(home=home.root, url=url, runner=process, daemon=process)
        course = run_course(
            stage,
            code,
            rounds=2,
            base_name="base",
            tuned_name="me:latest",
            say=lambda what, share: said.append((what, share)),
        )
    assert course.base_answers == ("wrong",)
    assert course.base_marks.exact == (0.0,)
    assert [one.closed.version[-1] for one in course.rounds] == ["1", "2"]
    assert [(one.session.right, one.session.corrected) for one in course.rounds] == [(1, 0), (0, 1)]
    assert [one.marks.exact for one in course.rounds] == [(1.0,), (1.0,)]
    # Exams are never recorded: what is asked there must not be learned.
    exams = [
        h for b, h in zip(heard.bodies, heard.headers, strict=True) if b["messages"][0]["content"] == "e1"
    ]
    assert len(exams) == 3
    assert all(headers["x-laimark-record"] == "off" for headers in exams)
    assert ("session 2: asking and correcting", 1.0) in said
    assert (
        said[-1][0] == "exam of `me:latest`: 100.0% exact, 100.0% similar; `base`: 0.0% exact, 40.0% similar"
    )
    assert all(0 <= share <= 1 for _, share in said)


def test_what_the_daemon_is_doing_is_passed_on(home: Home, process: subprocess.Popen[bytes]) -> None:
    said: list[tuple[str, float]] = []

    def works(number: int) -> None:
        now_s = SystemClock().now_s()
        control.tell(
            home,
            control.Activity(
                pid=os.getpid(), state="training", reason="training", share=0.5, updated_s=now_s
            ),
        )
        while ("cycle 1: training", 0.5) not in said:
            time.sleep(0.01)
        promotes(home)(number)

    with daemon(home, works):
        stage = Stage(home=home.root, url="", runner=process, daemon=process)
        cycle, closed = learn(stage, label="cycle 1", say=lambda what, share: said.append((what, share)))
    assert (cycle.id, closed.ending) == ("cycle-1", "promoted")
    assert said[-1] == ("cycle 1: promoted me:2026-11-22-0001", 1.0)


def test_nothing_to_learn_ends_the_waiting_with_what_to_do(
    home: Home, process: subprocess.Popen[bytes]
) -> None:
    stage = Stage(home=home.root, url="", runner=process, daemon=process)
    with (
        daemon(home, lambda number: None),
        pytest.raises(TrainingError, match="too little to learn from") as caught,
    ):
        learn(stage, label="cycle 1", say=lambda what, share: None)
    assert "demo --asks" in caught.value.hint


def test_a_daemon_that_dies_ends_the_waiting(home: Home, process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    stage = Stage(home=home.root, url="", runner=process, daemon=process)
    (home.root / "logs" / "serve.log").write_text("")
    with pytest.raises(RunnerError, match="ended with -9"):
        learn(stage, label="cycle 1", say=lambda what, share: None)


def test_a_slow_cycle_is_waited_for_and_a_stuck_one_is_not(
    home: Home, process: subprocess.Popen[bytes]
) -> None:
    stage = Stage(home=home.root, url="", runner=process, daemon=process)

    def creeps(number: int) -> None:
        for step in range(1, 15):  # longer in all than a standstill may last
            now_s = SystemClock().now_s()
            activity = control.Activity(
                pid=os.getpid(), state="training", reason="training", share=step / 20, updated_s=now_s
            )
            control.tell(home, activity)
            time.sleep(0.5)
        promotes(home)(number)

    with daemon(home, creeps):
        _, closed = learn(stage, label="cycle 1", say=lambda what, share: None, standstill_s=6.0)
    assert closed.ending == "promoted"
    with pytest.raises(TrainingError, match="cycle 2 has stood still for 0 s, at training"):
        learn(stage, label="cycle 2", say=lambda what, share: None, standstill_s=0.3)


@pytest.mark.parametrize(("steps", "mean"), [(40, 0.25), (0, 0.0)])
def test_a_step_takes_the_mean_of_what_all_took(tmp_path: Path, steps: int, mean: float) -> None:
    cycle = CycleFolder(root=tmp_path)
    assert step_seconds(cycle) == 0.0
    cycle.result.mkdir()
    result = TrainResult(steps=steps, losses=(), kl_core=0.0, seconds=10.0)
    (cycle.result / "result.json").write_bytes(msgspec.json.encode(result))
    assert step_seconds(cycle) == mean
