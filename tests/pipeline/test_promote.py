from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import add_twin, answer, only_version, opened, served

from laimark_sidecar.errors import RejectedError, StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.checkup import checkup
from laimark_sidecar.pipeline.following import LATEST, PREV
from laimark_sidecar.pipeline.promote import promote, rollback, use
from laimark_sidecar.pipeline.workshop import Workshop

QUESTION = "Complete the code:\n```python\ndef amber_basalt(cedar):\n```"
TWIN, THIRD = "me:2026-11-22-fffe", "me:2026-11-22-ffff"


@pytest.fixture
def workshop(trained_home: Home) -> Workshop:
    return opened(trained_home)


def test_whole_way_there_and_back(workshop: Workshop) -> None:
    version = only_version(workshop)
    twin = add_twin(workshop, version, name=TWIN, parent=version.name)
    with served(workshop):
        runner = workshop.runner()
        base = answer(workshop, "base", QUESTION)
        promote(workshop, version)
        tuned = answer(workshop, "me:latest", QUESTION)
        assert tuned == answer(workshop, version.name, QUESTION)
        assert tuned != base
        assert answer(workshop, "me:prev", QUESTION) == base
        promote(workshop, twin)
        assert runner.names() | {"me:latest": twin.name, "me:prev": version.name} == runner.names()
        assert rollback(workshop) == version.name
        assert workshop.registry.refs() == {LATEST: version.name, PREV: ""}
        assert rollback(workshop) == ""
        assert answer(workshop, "me:latest", QUESTION) == base
        with pytest.raises(StateError, match="me:latest is the base already"):
            rollback(workshop)
        assert use(workshop, TWIN) == TWIN
        assert use(workshop, "prev") == ""
        assert use(workshop, "base") == ""
        assert workshop.registry.intent.current() is None
        assert checkup(workshop) == ()


def test_promoting_twice_moves_once(workshop: Workshop) -> None:
    version = only_version(workshop)
    with served(workshop):
        promote(workshop, version)
        promote(workshop, version)
    assert workshop.registry.refs() == {LATEST: version.name, PREV: ""}
    assert len(workshop.registry.history()) == 1


def test_rejected_version_is_not_promoted(workshop: Workshop) -> None:
    with pytest.raises(RejectedError, match="did not pass"):
        promote(workshop, replace(only_version(workshop), verdict="worse"))
