"""Real worker processes: yields, kills, resumes, orphans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.training.conftest import JobMaker

from laimark_sidecar.errors import MissingExtraError, TrainingError
from laimark_sidecar.training.job import Progress, TrainJob
from laimark_sidecar.training.jobfile import write_job
from laimark_sidecar.training.launch import Outcome, run_worker

LONG = pytest.mark.timeout(300)  # four starts of torch on a busy machine with two slow cores


def job_path(job: TrainJob) -> Path:
    return Path(job.out_dir).parent / "job.json"


def launch(
    job: TrainJob, *, stop_at_step: int | None = None, grace_s: float = 120.0
) -> tuple[Outcome, list[Progress]]:
    """Run the worker; ask for a yield once that step was told."""
    told: list[Progress] = []

    def should_stop() -> bool:
        return stop_at_step is not None and any(p.phase == "train" and p.step >= stop_at_step for p in told)

    outcome = run_worker(
        job_path(job), on_progress=told.append, should_stop=should_stop, grace_s=grace_s, threads=1
    )
    return outcome, told


@pytest.mark.slow
@LONG
def test_a_worker_stopped_and_killed_on_the_way_ends_with_the_same_losses(make_job: JobMaker) -> None:
    whole, broken = make_job("whole", steps=8), make_job("broken", steps=8)
    expected, told = launch(whole)
    assert expected.kind == "done", expected.error
    assert expected.result is not None
    assert [p.step for p in told if p.phase == "train"][-1] == 8
    assert told[0].phase == "load"
    assert told[-1].phase == "done"

    yielded, _ = launch(broken, stop_at_step=1)
    assert yielded == Outcome(kind="yielded")
    assert not Path(broken.out_dir).exists()
    assert list(Path(broken.work_dir).glob("step-*"))

    killed, _ = launch(broken, stop_at_step=4, grace_s=-1.0)  # no grace: SIGKILL in the middle of a step
    assert killed == Outcome(kind="yielded")

    finished, _ = launch(broken)
    assert finished.result is not None, finished.error
    assert finished.result.losses == expected.result.losses
    adapters = [Path(job.out_dir) / "adapter" / "adapter_model.safetensors" for job in (whole, broken)]
    assert adapters[0].read_bytes() == adapters[1].read_bytes()


@pytest.fixture
def broken_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which torch cannot be imported."""
    (tmp_path / "no-torch").mkdir()
    (tmp_path / "no-torch" / "torch.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "no-torch"))


@pytest.mark.usefixtures("broken_python")
def test_missing_packages_are_named_with_the_command_that_installs_them(make_job: JobMaker) -> None:
    with pytest.raises(MissingExtraError, match="No module named 'torch'") as caught:
        launch(make_job())
    assert caught.value.hint == 'pip install "laimark-sidecar[train]"'


def test_a_python_that_is_not_there_is_named(make_job: JobMaker) -> None:
    with pytest.raises(TrainingError, match="cannot start the training worker with '/nowhere/python'"):
        run_worker(
            job_path(make_job()),
            python="/nowhere/python",
            on_progress=lambda _: None,
            should_stop=lambda: False,
        )


def test_a_malformed_job_starts_no_process(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text("{")
    with pytest.raises(TrainingError, match="malformed"):
        run_worker(tmp_path / "job.json", on_progress=lambda _: None, should_stop=lambda: False)


@pytest.mark.slow
def test_a_job_that_fails_says_why(make_job: JobMaker, tmp_path: Path) -> None:
    job = make_job(parent_adapter=str(tmp_path / "gone"))
    outcome, _ = launch(job)
    assert outcome.kind == "failed"
    assert outcome.error.startswith(f"parent adapter {tmp_path / 'gone'}")
    assert not Path(job.out_dir).exists()


def test_a_stop_during_the_imports_ends_at_once(make_job: JobMaker) -> None:
    outcome = run_worker(
        job_path(make_job()), on_progress=lambda _: None, should_stop=lambda: True, grace_s=60.0
    )
    assert outcome == Outcome(kind="yielded")


def fake_python(tmp_path: Path, script: str) -> str:
    """Return an interpreter that runs `script` whatever it is asked to run."""
    path = tmp_path / "python"
    path.write_text(f"#!{sys.executable}\n{script}\n")
    path.chmod(0o700)
    return str(path)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "want of memory"),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import sys; sys.stderr.write('boom\\n'); sys.exit(70)", "boom"),
        ("pass", "cannot read"),
    ],
    ids=["killed", "silent", "traceback", "no result"],
)
def test_a_worker_that_dies_is_a_failure_with_a_reason(
    make_job: JobMaker, tmp_path: Path, script: str, said: str
) -> None:
    outcome = run_worker(
        job_path(make_job()),
        python=fake_python(tmp_path, script),
        on_progress=lambda _: None,
        should_stop=lambda: False,
    )
    assert outcome.kind == "failed"
    assert said in outcome.error


def test_output_that_is_not_progress_is_passed_over(make_job: JobMaker, tmp_path: Path) -> None:
    told: list[Progress] = []
    run_worker(
        job_path(make_job()),
        python=fake_python(
            tmp_path, 'print("a library says hello"); print(\'{"step":1,"steps":2,"phase":"train"}\')'
        ),
        on_progress=told.append,
        should_stop=lambda: False,
    )
    assert told == [Progress(step=1, steps=2, phase="train")]


def test_a_listener_that_fails_leaves_no_process_behind(make_job: JobMaker, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = (
        "import os, pathlib, time\n"
        f"pathlib.Path({str(note)!r}).write_text(str(os.getpid()))\n"
        'print(\'{"step":1,"steps":2,"phase":"train"}\', flush=True)\n'
        "time.sleep(50)"
    )

    def listener(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_worker(
            job_path(make_job()),
            python=fake_python(tmp_path, script),
            on_progress=listener,
            should_stop=lambda: False,
        )
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_a_worker_ends_when_the_sidecar_is_killed(make_job: JobMaker, tmp_path: Path) -> None:
    job = make_job()
    write_job(job_path(job), job)
    note = tmp_path / "pid"
    worker = fake_python(
        tmp_path,
        "import os, pathlib, threading\n"
        "from laimark_sidecar.training.launch import PARENT_PID_VARIABLE\n"
        "from laimark_sidecar.training.worker.stop import StopFlag, watch_parent\n"
        "StopFlag().install()\n"
        "watch_parent(int(os.environ[PARENT_PID_VARIABLE]))\n"
        f"pathlib.Path({str(note)!r}).write_text(str(os.getpid()))\n"
        "threading.Event().wait(50)",
    )
    script = (
        "from pathlib import Path\n"
        "from laimark_sidecar.training.launch import run_worker\n"
        f"run_worker(Path({str(job_path(job))!r}), python={worker!r}, on_progress=print, should_stop=lambda: False)"
    )
    pause = threading.Event()
    with subprocess.Popen([sys.executable, "-c", script]) as sidecar:
        while not note.exists() or not note.read_text():
            assert sidecar.poll() is None
            pause.wait(0.05)
        sidecar.send_signal(signal.SIGKILL)
    pid = int(note.read_text())
    while _is_alive(pid):
        pause.wait(0.05)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
