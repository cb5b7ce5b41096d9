"""`laimark-sidecar run` as a process: it is told to stop, and it keeps others out."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest
from tests.cli.commands.conftest import Start
from tests.support.homes import reconfigure
from tests.support.processes import wait_until

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("run")


def test_where_nothing_is_recorded_it_says_so_and_why(filled_home: Home, start: Start) -> None:
    reconfigure(filled_home, "runner", kind="llama-server")
    process = start("run", until="the gateway does not run")
    wait_until((filled_home.control / "activity.json").exists, "the daemon's first word")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(
    filled_home: Home, start: Start, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    process = start("run", until="")
    while not (filled_home.control / "activity.json").exists():
        assert process.poll() is None
        time.sleep(0.05)
    if number is signal.SIGTERM:
        assert run(["run"]) == 6
        assert f"laimark-sidecar run (pid {process.pid})" in capsys.readouterr().err
        assert run(["status"]) == 0
        assert f"daemon    pid {process.pid}, " in capsys.readouterr().out
    process.send_signal(number)
    assert process.wait(20) == 0
    assert run(["status"]) == 0
    assert "daemon    not running" in capsys.readouterr().out
