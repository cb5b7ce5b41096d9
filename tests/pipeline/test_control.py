from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.tools import HandClock

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import StateError
from laimark_sidecar.journal.consent import read_consent
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import control


def activity(pid: int) -> control.Activity:
    return control.Activity(
        pid=pid, state="wait", reason="paused", share=0.0, updated_s=SystemClock().now_s()
    )


def test_pause_lasts_until_resume_and_both_may_be_repeated(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    assert not control.paused(home)
    control.pause(home)
    control.pause(home)
    assert control.paused(home)
    control.resume(home)
    control.resume(home)
    assert not control.paused(home)


def test_request_stays_until_it_is_served(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    control.request_training(home)
    assert control.training_requested(home)
    control.request_served(home)
    control.request_served(home)
    assert not control.training_requested(home)


def test_what_a_living_daemon_tells_is_told(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    assert control.told(home) is None
    control.tell(home, activity(os.getpid()))
    assert control.told(home) == replace(
        activity(os.getpid()),
        updated_s=control.told(home).updated_s,  # type: ignore[union-attr]
    )
    control.tell_end(home)
    assert control.told(home) is None


def test_dead_daemon_tells_nothing(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    control.tell(home, activity(child.pid))
    assert control.told(home) is None


def test_old_news_under_a_pid_that_is_somebody_elses_now_is_no_news(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    told = activity(os.getpid())
    control.tell(home, told)
    assert control.told(home, clock=HandClock(told.updated_s + control.STALE_S - 1)) == told
    assert control.told(home, clock=HandClock(told.updated_s + control.STALE_S + 1)) is None


def test_damaged_activity_is_no_activity(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    home.control.mkdir()
    (home.control / "activity.json").write_bytes(b'{"pid": ')
    assert control.told(home) is None


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 5000, b'{"pid": 1}'])
def test_a_damaged_note_is_no_daemon(tmp_path: Path, content: bytes) -> None:
    home = Home(root=tmp_path)
    home.control.mkdir()
    (home.control / "activity.json").write_bytes(content)
    assert control.told(home) is None


def test_two_who_change_at_once_lose_no_word(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    names = [f"model-{number}:latest" for number in range(8)]

    def say(name: str) -> None:
        control.change_consent(home, lambda consent: consent.with_model(name, recorded=False))

    with ThreadPoolExecutor(len(names)) as threads:
        list(threads.map(say, names))
    assert read_consent(home.recording).models == dict.fromkeys(names, False)


def test_a_damaged_consent_stops_neither_a_pause_nor_its_end_and_is_told(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    home.recording.write_bytes(b"{")
    with pytest.raises(StateError, match="damaged"):
        control.pause(home)
    assert control.paused(home)
    assert control.say_consent(home, lambda consent: consent).reasons() == (control.PAUSE,)
    home.recording.write_bytes(b"{")
    with pytest.raises(StateError, match="damaged"):
        control.resume(home)
    assert not control.paused(home)
    assert control.say_consent(home, lambda consent: consent).on
