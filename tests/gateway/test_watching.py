from __future__ import annotations

import logging

import pytest
from tests.gateway.test_activity import SetClock
from tests.gateway.test_proxy import Faulty

from laimark_sidecar.gateway.observing import Head
from laimark_sidecar.gateway.watching import Complaints, Watch

HEAD = Head(headers=(), method="POST", target="/")


def test_nothing_more_is_told_after_a_fault() -> None:
    complaints, faulty = Complaints(SetClock()), Faulty("asked")
    watch = Watch(faulty, HEAD, complaints)
    watch.asked(b"1")
    watch.asked(b"2")
    watch.ended("complete")
    assert complaints.count == 1
    assert faulty.endings == ["failed"]


def test_a_fault_is_logged_once_a_minute_and_always_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock = SetClock()
    complaints = Complaints(clock)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            complaints.add("writing", OSError("full disk"))
        assert len(caplog.records) == 1
        clock.s += 60
        complaints.add("writing", OSError("full disk"))
    assert len(caplog.records) == 2
    assert complaints.count == 4
