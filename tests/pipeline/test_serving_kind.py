from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import opened, reconfigure

from laimark_sidecar.errors import ConfigError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import serving_kind as module
from laimark_sidecar.pipeline.cycle import open_cycle
from laimark_sidecar.pipeline.diagnosis import diagnose
from laimark_sidecar.pipeline.select import select
from laimark_sidecar.pipeline.serving_kind import require_servable_kind


@pytest.mark.parametrize(
    ("kind", "large"), [("lora", False), ("rslora", False), ("dora", True), ("ia3", True)]
)
def test_a_version_that_is_no_lora_tells_its_size_first(ready_home: Home, kind: str, large: bool) -> None:
    reconfigure(ready_home, "training", adapter=kind)
    workshop = opened(ready_home)
    size = require_servable_kind(workshop.config, workshop.base)
    assert (size > 0) is large
    told = [one.what for one in diagnose(ready_home) if f"of the kind {kind}" in one.what]
    assert bool(told) is large


def test_what_is_out_of_proportion_is_refused_before_anything_is_written(
    ready_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_OF_BASE", 0.1)
    reconfigure(ready_home, "training", adapter="dora")
    workshop = opened(ready_home)
    cycle = open_cycle(workshop)
    with (
        workshop.store() as store,
        pytest.raises(ConfigError, match=r'adapter is "dora": a version would take') as caught,
    ):
        select(workshop, store, cycle)
    assert '"lora"' in caught.value.hint
    assert not cycle.root.exists()
    assert any(one.state == "error" and '"dora"' in one.what for one in diagnose(ready_home))
    other = replace(workshop.config, training=replace(workshop.config.training, adapter="rslora"))
    assert require_servable_kind(other, workshop.base) == 0
