"""`laimark-sidecar train`: a cycle here, or by the daemon where one holds the home."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.commands.conftest import Start
from tests.support.homes import IDIOM, only_version, opened, plan_with_result, reconfigure

from laimark_sidecar.cli import run
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.files import exclusive
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import control
from laimark_sidecar.pipeline.folder import Closed, CycleFolder, Ending, cycles, unfinished


@pytest.fixture
def almost_done(ready_home: Home, trained_root: Path) -> CycleFolder:
    """A cycle that stopped after its scoring: what is left is to judge, to admit and to close."""
    _, cycle = plan_with_result(ready_home, trained_root)
    (done,) = cycles(trained_root / "cycles")
    shutil.copy(done.evidence(1.0), cycle.root)
    return cycle


@contextmanager
def daemon(home: Home, act: Callable[[], None]) -> Iterator[None]:
    """Stand in for the daemon: hold the home, say so, and answer the first request with `act`."""

    def answer() -> None:
        while not control.training_requested(home) and not over.is_set():
            time.sleep(0.01)
        act()

    over = threading.Event()
    with exclusive(home.daemon_lock, "laimark-sidecar run (pid 1)"):
        now_s = SystemClock().now_s()
        control.tell(
            home, control.Activity(pid=os.getpid(), state="training", reason="x", share=0.5, updated_s=now_s)
        )
        thread = threading.Thread(target=answer)
        thread.start()
        yield
        over.set()
        thread.join()


def closes(home: Home, ending: Ending, *, version: str = "", reason: str = "") -> Callable[[], None]:
    """Return what a daemon does that has carried a cycle to this end."""

    def act() -> None:
        closed = Closed(ending=ending, version=version, reason=reason, closed_s=1.0)
        CycleFolder(root=home.cycles / "20261122T120000").write_closed(closed)
        control.request_served(home)

    return act


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("train", "--now")


def test_without_now_it_says_who_trains(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train"]) == 2
    assert "train --now" in capsys.readouterr().err


def test_a_cycle_that_was_interrupted_is_carried_to_its_end(
    ready_home: Home, almost_done: CycleFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "--now"]) == 0
    out, err = capsys.readouterr()
    name = only_version(opened(ready_home)).name
    assert out == f"awaiting-review: {name}\nserve it with: laimark-sidecar promote {name}\n"
    assert IDIOM not in err


def test_what_the_gate_refuses_ends_with_11(
    ready_home: Home, almost_done: CycleFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    reconfigure(ready_home, "gate", min_items=1000)
    assert run(["train", "--now"]) == 11
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: rejected: " in err
    assert "hint: nothing was changed" in err
    assert opened(ready_home).registry.versions() == ()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_75_and_the_cycle_can_go_on(
    ready_home: Home, start: Start, number: signal.Signals, tmp_path: Path
) -> None:
    process = start("train", "--now", until="scoring before training")
    process.send_signal(number)
    assert process.wait(20) == 75
    said = (tmp_path / "train.log").read_text(encoding="utf-8")
    assert "hint: go on with: laimark-sidecar train --now" in said
    assert "Traceback" not in said
    assert unfinished(ready_home.cycles) is not None


def test_with_nothing_to_learn_it_says_so(trained_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--now"]) == 5
    assert "nothing new to learn" in capsys.readouterr().err


def test_a_running_daemon_does_the_work(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with daemon(filled_home, closes(filled_home, "promoted", version="me:2026-11-22-3f9a")):
        assert run(["train", "--now"]) == 0
    assert capsys.readouterr().out == "promoted: me:2026-11-22-3f9a\n"


def test_the_daemons_refusal_is_a_refusal_here(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with daemon(filled_home, closes(filled_home, "rejected", reason="no gain")):
        assert run(["train", "--now"]) == 11
    assert "error: rejected: no gain\n" in capsys.readouterr().err


def test_a_daemon_with_nothing_to_learn_is_not_waited_for(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    with daemon(filled_home, lambda: control.request_served(filled_home)):
        assert run(["train", "--now"]) == 5
    assert "error: the daemon found nothing to learn\n" in capsys.readouterr().err


def test_why_the_daemon_did_not_begin_is_said(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    reconfigure(filled_home, "replay", quarantine_hours=24.0)
    with daemon(filled_home, lambda: control.request_served(filled_home)):
        assert run(["train", "--now"]) == 5
    err = capsys.readouterr().err
    assert "nothing new to learn (" in err
    assert "in quarantine until 20" in err
    assert "0 of 4 held-out examples to judge a version by" in err
    assert "hint: wait, or set replay.quarantine_hours" in err


def test_a_daemon_that_ends_is_not_waited_for(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with daemon(filled_home, lambda: control.tell_end(filled_home)):
        assert run(["train", "--now"]) == 5
    assert "the daemon has ended" in capsys.readouterr().err
    assert control.training_requested(filled_home)


def test_a_pause_ends_the_waiting(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with daemon(filled_home, lambda: control.pause(filled_home)):
        assert run(["train", "--now"]) == 5
    assert "learning is paused" in capsys.readouterr().err


def test_another_command_at_work_is_named_as_such(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    with exclusive(filled_home.daemon_lock, "laimark-sidecar train (pid 1)"):
        assert run(["train", "--now"]) == 6
    assert "is in use by another command" in capsys.readouterr().err
    assert not control.training_requested(filled_home)
