from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import only_version, opened, served
from tests.support.journey import there_and_back

from laimark_sidecar.errors import RejectedError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.following import LATEST, PREV
from laimark_sidecar.pipeline.promote import promote
from laimark_sidecar.pipeline.workshop import Workshop


@pytest.fixture
def workshop(trained_home: Home) -> Workshop:
    return opened(trained_home)


def test_whole_way_there_and_back(workshop: Workshop) -> None:
    with served(workshop):
        there_and_back(workshop)


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
