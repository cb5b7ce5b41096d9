from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import add_twin, damage, only_version, opened, reconfigure, served

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.checkup import checkup
from laimark_sidecar.pipeline.following import LATEST, PREV, adapters, servable
from laimark_sidecar.pipeline.moving import synchronise
from laimark_sidecar.pipeline.promote import promote, rollback, use
from laimark_sidecar.pipeline.workshop import Workshop

QUESTION = "Complete the code:\n```python\ndef amber_basalt(cedar):\n```"
TWIN, THIRD = "me:2026-11-22-fffe", "me:2026-11-22-ffff"


@pytest.fixture
def workshop(trained_home: Home) -> Workshop:
    return opened(trained_home)


def test_ref_to_another_base_answers_as_the_base_and_blocks_nothing(workshop: Workshop) -> None:
    version = only_version(workshop)
    foreign = replace(version, name=TWIN, cycle="x", base=replace(version.base, sha256="f" * 64))
    workshop.registry.add(foreign)
    workshop.registry.set_refs({LATEST: TWIN}, reason="the base was changed afterwards")
    with served(workshop):
        synchronise(workshop, workshop.runner())
        assert workshop.runner().names()["me:latest"] == ""
        assert [problem.where for problem in checkup(workshop)] == ["latest"]
        promote(workshop, version)
        assert workshop.runner().names()["me:latest"] == version.name
    assert [one.name for one in servable(workshop)] == [version.name]


def test_damaged_latest_neither_stops_the_runner_nor_the_way_back(workshop: Workshop) -> None:
    version = only_version(workshop)
    other = workshop.registry.objects.put_bytes(b"will be damaged")
    workshop.registry.add(
        replace(version, name=TWIN, cycle="x", objects={**version.objects, "adapter.gguf": other})
    )
    workshop.registry.set_refs({LATEST: TWIN, PREV: version.name}, reason="test")
    damage(workshop, workshop.registry.get(TWIN))
    with served(workshop):
        synchronise(workshop, workshop.runner())
        assert workshop.runner().names()["me:latest"] == ""
        assert [problem.where for problem in checkup(workshop) if problem.where == "me:latest"]
        assert rollback(workshop) == version.name
        assert workshop.runner().names()["me:latest"] == version.name


def test_version_that_the_runner_refuses_is_left_out_of_the_rest(workshop: Workshop) -> None:
    version = only_version(workshop)
    whole_but_no_adapter = workshop.registry.objects.put_bytes(b"GGUF?")
    workshop.registry.add(
        replace(
            version, name=TWIN, cycle="x", objects={**version.objects, "adapter.gguf": whole_but_no_adapter}
        )
    )
    with served(workshop):
        synchronise(workshop, workshop.runner())
        assert TWIN not in workshop.runner().names()
        assert version.name in workshop.runner().names()
    assert set(adapters(workshop)) == {TWIN, version.name}


def test_runner_holds_the_newest_versions_and_those_that_refs_point_at(
    trained_home: Home,
) -> None:
    reconfigure(trained_home, "runner", kept=1)
    workshop = opened(trained_home)
    first = only_version(workshop)
    second = add_twin(workshop, first, name=TWIN)
    with served(workshop):
        runner = workshop.runner()
        assert TWIN in runner.names()
        assert first.name not in runner.names()
        assert use(workshop, first.name) == first.name  # an older one comes when it is asked for
        third = add_twin(workshop, replace(second, created_s=second.created_s + 1), name=THIRD)
        synchronise(workshop, runner)
        assert {first.name, THIRD} < set(runner.names())
        assert TWIN not in runner.names()
        promote(workshop, third)
        synchronise(workshop, runner)
        assert first.name in runner.names()  # `prev`: the way back stays open
        use(workshop, "base")
        synchronise(workshop, runner)
        assert first.name not in runner.names()
        assert use(workshop, "prev") == THIRD
        assert checkup(workshop) == ()
