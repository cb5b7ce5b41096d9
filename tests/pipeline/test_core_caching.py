from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.homes import never, opened, silent

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.core_caching import cache_answers
from laimark_sidecar.pipeline.core_forget import asking
from laimark_sidecar.pipeline.cycle import open_cycle
from laimark_sidecar.pipeline.select import select
from laimark_sidecar.pipeline.stopping import Yielded
from laimark_sidecar.pipeline.train import train


def derived(cache: Path) -> dict[Path, int]:
    files = (*cache.glob("core-answers/*"), *cache.glob("core-anchor-*"))
    return {path: path.stat().st_mtime_ns for path in files}


def test_the_next_cycle_asks_the_base_nothing(ready_home: Home) -> None:
    workshop = opened(ready_home)
    seen: list[tuple[str, float]] = []
    count = cache_answers(
        workshop, report=lambda label, share: seen.append((label, share)), should_stop=never
    )
    cached = derived(workshop.base.cache)
    assert len(cached) == count + 1
    assert ("asking the frozen base", 1.0) in seen
    assert not asking(ready_home).exists()
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        select(workshop, store, cycle)
    train(cycle, workshop.config, report=silent, should_stop=never)
    assert derived(workshop.base.cache) == cached


def test_one_that_is_stopped_leaves_no_job_behind(ready_home: Home) -> None:
    workshop = opened(ready_home)
    with pytest.raises(Yielded):
        cache_answers(workshop, report=silent, should_stop=lambda: True)
    assert not asking(ready_home).exists()
