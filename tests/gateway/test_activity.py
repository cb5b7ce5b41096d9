from __future__ import annotations

import pytest

from laimark_sidecar.gateway.activity import Now, Traffic, is_work
from laimark_sidecar.gateway.observing import Head


class SetClock:
    def __init__(self) -> None:
        self.s = 100.0

    def monotonic_s(self) -> float:
        return self.s

    def now_s(self) -> float:
        return self.s

    def sleep(self, seconds: float) -> None:
        self.s += seconds


def test_it_is_busy_until_the_last_request_has_ended() -> None:
    clock = SetClock()
    traffic = Traffic(clock)
    clock.s = 103.0
    assert traffic.now() == Now(busy=False, idle_s=3.0, served=0)
    traffic.begin()
    traffic.begin()
    traffic.end()
    assert traffic.now() == Now(busy=True, idle_s=0.0, served=1)
    traffic.end()
    clock.s = 107.5
    assert traffic.now() == Now(busy=False, idle_s=4.5, served=2)


@pytest.mark.parametrize(
    ("method", "target", "work"),
    [
        ("POST", "/api/chat", True),
        ("POST", "/v1/messages?beta=1", True),
        ("POST", "/unknown", True),
        ("GET", "/api/tags", False),
        ("HEAD", "/", False),
        ("POST", "/api/show", False),
        ("POST", "/tokenize", False),
        ("POST", "/laimark/feedback", False),
    ],
)
def test_only_what_computes_is_work(method: str, target: str, work: bool) -> None:
    assert is_work(Head(method=method, target=target, headers=())) is work
