"""The real daemon beside the real runner: two processes, signals, and what a user sees."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.support.homes import answer, only_version, opened, reconfigure
from tests.support.processes import command, run_command, runner, started, wait_until

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import control
from laimark_sidecar.pipeline.checkup import checkup
from laimark_sidecar.pipeline.folder import cycles
from laimark_sidecar.pipeline.following import LATEST

QUESTION = "Complete the code:\n```python\ndef amber_basalt(cedar):\n    basalt = cedar.amber(7)\n```"
STOP_S = 5.0


def stop(process: subprocess.Popen[bytes]) -> float:
    """Send SIGTERM and return how long the process took to end well."""
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    return time.monotonic() - begun


def said(home: Home, text: str) -> bool:
    """Whether the daemon says that it is at this now; `text` ends or is its reason."""
    activity = control.told(home)
    return activity is not None and (activity.reason == text or f"{text}," in activity.reason)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_daemon_learns_promotes_obeys_and_goes_on_where_it_was_stopped(
    ready_home: Home, tmp_path: Path
) -> None:
    reconfigure(ready_home, "promotion", mode="auto")
    reconfigure(ready_home, "training", steps=12)
    control.pause(ready_home)
    workshop = opened(ready_home)
    log = tmp_path / "run.log"

    with runner(ready_home, workshop.config.runner.port):
        with started(command(ready_home, "run"), log) as daemon:
            wait_until(lambda: said(ready_home, "paused"), "the daemon says that it is paused", log=log)
            second = run_command(ready_home, "run")
            assert second.returncode == 6
            assert f"laimark-sidecar run (pid {daemon.pid})" in second.stderr
            assert cycles(ready_home.cycles) == ()
            run_command(ready_home, "resume")
            wait_until(lambda: said(ready_home, "training"), "a cycle trains", log=log)
            assert stop(daemon) < STOP_S
        assert control.told(ready_home) is None
        (cycle,) = cycles(ready_home.cycles)
        assert cycle.closed() is None
        scored = (cycle.root / "prequential.json").stat().st_mtime_ns
        before = answer(workshop, "me:latest", QUESTION)
        with started(command(ready_home, "run"), log) as daemon:
            wait_until(lambda: cycle.closed() is not None, "the cycle ends", log=log)
            assert stop(daemon) < STOP_S
        assert (cycle.root / "prequential.json").stat().st_mtime_ns == scored
        version = only_version(workshop)
        closed = cycle.closed()
        assert closed is not None
        assert (closed.ending, closed.version) == ("promoted", version.name)
        assert answer(workshop, "me:latest", QUESTION) != before
        assert checkup(workshop) == ()
        assert run_command(ready_home, "rollback").returncode == 0
        assert answer(workshop, "me:latest", QUESTION) == before
    assert "Traceback" not in log.read_text(encoding="utf-8")


def test_hanging_runner_counts_as_busy_and_keeps_nobody_from_stopping(
    ready_home: Home, tmp_path: Path
) -> None:
    port = opened(ready_home).config.runner.port
    log = tmp_path / "run.log"
    with runner(ready_home, port) as serving, started(command(ready_home, "run"), log) as daemon:
        serving.send_signal(signal.SIGSTOP)
        wait_until(lambda: said(ready_home, "cannot be reached"), "nobody answers", log=log)
        assert stop(daemon) < STOP_S
        serving.send_signal(signal.SIGCONT)
        assert stop(serving) < STOP_S
    assert "Traceback" not in log.read_text(encoding="utf-8")


def test_wrong_configuration_ends_with_three_and_names_the_key(ready_home: Home) -> None:
    reconfigure(ready_home, "training", steps=0)
    for name in ("run", "serve"):
        found = run_command(ready_home, name)
        assert found.returncode == 3
        assert "training.steps" in found.stderr
        assert "Traceback" not in found.stderr


def test_promoting_without_a_runner_changes_nothing_and_says_how_to_start_one(trained_home: Home) -> None:
    found = run_command(trained_home, "promote")
    assert found.returncode == 7
    assert "laimark-sidecar serve" in found.stderr
    workshop = opened(trained_home)
    assert workshop.registry.refs()[LATEST] == ""
    assert workshop.registry.intent.current() is None


def test_base_that_changed_under_the_sidecar_is_refused_by_name_and_its_cycle_abandoned(
    trained_home: Home, tmp_path: Path
) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    (cycle,) = cycles(trained_home.cycles)
    (cycle.root / "closed.json").unlink()
    gguf = tmp_path / "other.gguf"
    gguf.write_bytes(workshop.base.gguf.read_bytes() + b"\0" * 32)
    reconfigure(trained_home, "base", gguf=str(gguf))
    changed = opened(trained_home)
    with runner(trained_home, workshop.config.runner.port):
        found = run_command(trained_home, "promote", version.name)
        assert found.returncode == 8
        assert version.base.sha256[:12] in found.stderr
        assert changed.base.identity.sha256[:12] in found.stderr
        trained = run_command(trained_home, "train", "--now")
        assert "abandoned: the base model changed" in trained.stdout + trained.stderr
    closed = cycle.closed()
    assert closed is not None
    assert closed.ending == "abandoned"
    assert changed.registry.intent.current() is None
