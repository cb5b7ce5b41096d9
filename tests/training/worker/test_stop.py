from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from laimark_sidecar.training.launch import EXIT_YIELDED
from laimark_sidecar.training.worker.stop import StopFlag, StopRequestedError

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture
def flag() -> Iterator[StopFlag]:
    before = [(number, signal.getsignal(number)) for number in _SIGNALS]
    flag = StopFlag()
    flag.install()
    yield flag
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.parametrize("number", _SIGNALS)
def test_while_training_a_signal_is_a_question_for_the_loop(flag: StopFlag, number: signal.Signals) -> None:
    flag.defer()
    flag.check()
    os.kill(os.getpid(), number)
    with pytest.raises(StopRequestedError):
        flag.check()


def test_before_training_a_signal_ends_the_process_at_once() -> None:
    code = (
        "import os, signal\n"
        "from laimark_sidecar.training.worker.stop import StopFlag\n"
        "StopFlag().install()\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "raise AssertionError('still alive')\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == EXIT_YIELDED


def test_a_worker_whose_parent_is_gone_ends() -> None:
    code = (
        "import threading\n"
        "from laimark_sidecar.training.worker.stop import StopFlag, watch_parent\n"
        "StopFlag().install()\n"
        "watch_parent(1 << 22)\n"  # nobody's parent
        "threading.Event().wait(50)\n"
        "raise AssertionError('still alive')\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == EXIT_YIELDED


def test_a_worker_whose_parent_lives_goes_on() -> None:
    code = (
        "import os, threading\n"
        "from laimark_sidecar.training.worker.stop import StopFlag, watch_parent\n"
        "StopFlag().install()\n"
        "watch_parent(os.getppid())\n"
        "threading.Event().wait(1.2)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
