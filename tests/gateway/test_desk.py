from __future__ import annotations

import asyncio
import json

from tests.gateway.test_activity import SetClock

from laimark_sidecar.gateway.activity import Traffic
from laimark_sidecar.gateway.desk import FrontDesk
from laimark_sidecar.gateway.observing import Head, Told
from laimark_sidecar.gateway.tally import Counts


async def echo(head: Head, body: bytes) -> Told:
    return Told(status=202, body=body)


def desk(traffic: Traffic) -> FrontDesk:
    return FrontDesk(
        traffic=traffic,
        pid=7,
        upstream="http://up",
        recording=lambda: True,
        counts=lambda: Counts(recorded=3, failed=1),
        feedback=echo,
    )


def tell(traffic: Traffic, head: Head) -> Told:
    return asyncio.run(desk(traffic).tell(head, b"{}"))


def test_it_tells_how_busy_the_runner_is_and_how_recording_goes() -> None:
    clock = SetClock()
    traffic = Traffic(clock)
    traffic.begin()
    told = tell(traffic, Head(headers=(), method="GET", target="/laimark/activity?x=1"))
    assert told.status == 200
    assert json.loads(told.body) == {
        "pid": 7,
        "busy": True,
        "idle_s": 0.0,
        "served": 0,
        "upstream": "http://up",
        "recording": True,
        "recorded": 3,
        "dropped": 0,
        "unreadable": 0,
        "failed": 1,
    }


def test_feedback_is_passed_to_the_recorder() -> None:
    told = tell(Traffic(SetClock()), Head(headers=(), method="POST", target="/laimark/feedback"))
    assert (told.status, told.body) == (202, b"{}")


def test_what_it_does_not_know_is_told_with_what_it_knows() -> None:
    told = tell(Traffic(SetClock()), Head(headers=(), method="POST", target="/laimark/activity"))
    assert told.status == 404
    assert "POST /laimark/feedback" in json.loads(told.body)["error"]["message"]
