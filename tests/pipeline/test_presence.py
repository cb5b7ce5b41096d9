from __future__ import annotations

import pytest
from tests.support.homes import only_version, opened, served

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.presence import presence
from laimark_sidecar.pipeline.promote import promote


def test_tells_what_the_runner_answers_with_and_that_it_is_idle(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    with pytest.raises(RunnerError):
        presence(workshop)
    with served(workshop):
        promote(workshop, version)
        found = presence(workshop)
    assert found.names["me:latest"] == version.name
    assert found.names["base"] == ""
    assert list(found.names) == sorted(found.names)
    assert workshop.base.identity.sha256[:12] in found.base
    assert not found.busy
    assert f"{found.served} requests served" in found.state
