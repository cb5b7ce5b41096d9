"""Learning goes on from what was learned: the second cycle has a parent, old lessons, and a rival to beat."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.support.homes import (
    halved,
    never,
    only_version,
    opened,
    reconfigure,
    record,
    served,
    silent,
    take_in,
)

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.checkup import checkup
from laimark_sidecar.pipeline.cycle import advance, open_cycle
from laimark_sidecar.pipeline.following import LATEST, PREV
from laimark_sidecar.pipeline.prequential import Prequential
from laimark_sidecar.pipeline.promote import promote, rollback
from laimark_sidecar.validation import evidence as evidence_file


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_second_cycle_goes_on_from_the_first_and_is_measured_against_it(trained_home: Home) -> None:
    reconfigure(trained_home, "promotion", mode="auto")
    workshop = opened(trained_home)
    # At half the scale: the adapter that training goes on from is not the one that training ended with.
    first = halved(workshop, only_version(workshop))
    with served(workshop):
        promote(workshop, first)
        record(trained_home, range(100, 112))
        take_in(workshop)
        cycle = open_cycle(workshop)
        closed = advance(workshop, cycle, report=silent, should_stop=never)
        assert closed.ending == "promoted", closed.reason
        second = workshop.registry.get(closed.version)
        names = workshop.runner().names()
        assert (names["me:latest"], names["me:prev"]) == (second.name, first.name)
        assert checkup(workshop) == ()
        assert rollback(workshop) == first.name
    assert second.parent == first.name
    assert [one.name for one in workshop.registry.lineage(second.name)] == [second.name, first.name]
    evidence = evidence_file.read(cycle.evidence(second.scale))
    assert all(item.previous is not None for item in (*evidence.heldout, *evidence.core))
    before = msgspec.json.decode((cycle.root / "prequential.json").read_bytes(), type=Prequential)
    assert before.version == first.name
    assert any(item.base != item.candidate for item in before.items)
    plan = cycle.plan()
    assert plan is not None
    assert set(plan.sample_ids) - set(plan.new_ids) <= set(first.sample_ids)
    assert set(plan.sample_ids) - set(plan.new_ids)
    assert workshop.registry.refs() == {LATEST: first.name, PREV: ""}
    config = json.loads(workshop.registry.objects.path(second.objects["adapter_config.json"]).read_bytes())
    assert config["lora_alpha"] == 8.0  # the scale is in B: alpha, and with it the next steps, stays
