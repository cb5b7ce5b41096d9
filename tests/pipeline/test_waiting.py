from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import add_twin, only_version, opened

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.following import LATEST
from laimark_sidecar.pipeline.waiting import waiting, was_latest
from laimark_sidecar.pipeline.workshop import Workshop

TWIN = "me:2026-11-22-fffe"


@pytest.fixture
def workshop(trained_home: Home) -> Workshop:
    return opened(trained_home)


def test_the_newest_version_waits_until_it_was_served_once(workshop: Workshop) -> None:
    version = only_version(workshop)
    assert waiting(workshop) == version
    workshop.registry.set_refs({LATEST: version.name}, reason="test")
    assert waiting(workshop) is None
    workshop.registry.set_refs({LATEST: ""}, reason="test")
    assert waiting(workshop) is None
    assert was_latest(workshop, version.name)
    twin = add_twin(workshop, version, name=TWIN)
    assert waiting(workshop) == twin
    assert not was_latest(workshop, TWIN)


def test_an_older_version_waits_no_more_once_a_newer_one_was_served(workshop: Workshop) -> None:
    add_twin(workshop, only_version(workshop), name=TWIN)
    workshop.registry.set_refs({LATEST: TWIN}, reason="test")
    assert waiting(workshop) is None


def test_what_was_refused_or_made_for_another_base_does_not_wait(workshop: Workshop) -> None:
    version = only_version(workshop)
    refused = replace(version, name=TWIN, verdict="worse", created_s=version.created_s + 1)
    other = replace(
        version,
        name="me:2026-11-22-fffd",
        base=replace(version.base, sha256="f" * 64),
        created_s=version.created_s + 2,
    )
    workshop.registry.add(refused)
    workshop.registry.add(other)
    assert waiting(workshop) == version
