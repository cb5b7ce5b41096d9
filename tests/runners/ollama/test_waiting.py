from __future__ import annotations

import contextlib
import threading

import pytest

from laimark_sidecar.runners.ollama.waiting import waiting


def timers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ollama-waiting"]


def test_what_ends_soon_is_not_told_even_when_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with contextlib.suppress(KeyError), waiting("it", "end", longest_s=9, patience_s=3600):
        (timer,) = timers()
        raise KeyError
    timer.join()
    assert caplog.messages == []


def test_what_takes_long_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with waiting("it", "end", longest_s=9, patience_s=0):
        for timer in timers():
            timer.join()
    assert caplog.messages == ["waiting for it to end (9 s at most)"]
