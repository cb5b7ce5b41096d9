"""Real processes: started, waited for, stopped, and quoted when they crash."""

from __future__ import annotations

import subprocess
import urllib.request
from pathlib import Path

import pytest
from tests.support.homes import settings, small_base_dir

from laimark_sidecar.demo.stage import command, free_port, staged
from laimark_sidecar.errors import RunnerError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.initialise import initialise

__all__ = ["small_base_dir"]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def home(tmp_path: Path, small_base_dir: Path, demo_gguf: Path, port: int) -> Home:
    made = Home(root=tmp_path / "home")
    chosen = settings(small_base_dir, demo_gguf)
    initialise(made, record=True, settings={**chosen, "runner": {**chosen["runner"], "port": port}})
    return made


def test_runner_and_daemon_run_until_the_end_and_a_death_is_told_with_its_log(home: Home, port: int) -> None:
    with staged(home.root, port) as stage:
        stage.require_running()
        urllib.request.urlopen(f"{stage.url}/health", timeout=5).close()
        while not (home.control / "activity.json").exists():
            stage.require_running()
        stage.daemon.terminate()
        stage.daemon.wait(20)
        with pytest.raises(RunnerError, match=r"`laimark-sidecar run` ended with 0: .*stopped") as caught:
            stage.require_running()
        assert str(home.root / "logs" / "run.log") in caught.value.hint
    assert stage.runner.poll() == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{stage.url}/health", timeout=5)


def test_a_runner_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    with (
        pytest.raises(RunnerError, match=r"`laimark-sidecar serve` ended with 5: .*is not set up") as caught,
        staged(tmp_path / "home", free_port()),
    ):
        raise AssertionError
    assert "the whole log: " in caught.value.hint


def test_processes_are_stopped_when_the_demo_fails(home: Home, port: int) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def fail() -> None:
        with staged(home.root, port) as stage:
            started.extend((stage.runner, stage.daemon))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [process.poll() is not None for process in started] == [True, True]


def test_the_command_names_its_home(tmp_path: Path) -> None:
    assert command(tmp_path, "run")[1:] == ["-P", "-m", "laimark_sidecar", "--home", str(tmp_path), "run"]
