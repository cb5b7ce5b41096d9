from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import opened

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.gateway.desk import GatewayActivity
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.usage import busier, usage
from laimark_sidecar.runners.runner import Activity


def test_a_runner_that_is_not_there_is_told(ready_home: Home) -> None:
    with pytest.raises(RunnerError):
        usage(opened(ready_home), timeout_s=1.0)


def test_the_busier_of_both_views_holds() -> None:
    told = Activity(busy=False, idle_s=9.0, served=3)
    seen = GatewayActivity(
        pid=1,
        busy=True,
        idle_s=0.0,
        served=7,
        upstream="",
        recording=True,
        recorded=0,
        dropped=0,
        unreadable=0,
        failed=0,
    )
    assert busier(told, None) == told
    assert busier(told, seen) == Activity(busy=True, idle_s=0.0, served=3)
    busy = Activity(busy=True, idle_s=0.0, served=3)
    assert busier(busy, replace(seen, busy=False, idle_s=60.0)) == busy
