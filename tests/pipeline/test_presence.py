from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.homes import only_version, opened, reconfigure, served
from tests.support.llama_server import needs_llama_server
from tests.support.ollama_homes import beside

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.presence import presence
from laimark_sidecar.pipeline.promote import promote
from laimark_sidecar.pipeline.router import managed_server, start_router


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
    assert found.state.endswith(f", {found.served} requests served")
    assert (found.everyone, found.shared) == ("", "")


@needs_llama_server
@pytest.mark.timeout(240)
def test_where_clients_cannot_choose_the_one_name_that_all_get_is_told(trained_home: Home) -> None:
    reconfigure(trained_home, "runner", kind="llama-server", mode="single")
    workshop = opened(trained_home)
    version = only_version(workshop)
    start_router(workshop)
    try:
        promote(workshop, version)
        found = presence(workshop)
    finally:
        managed_server(workshop).stop()
    assert found.everyone == "me:latest"
    assert found.shared == f"every client gets me:latest -> {version.name}, whatever name it asks for"


@pytest.mark.timeout(240)
def test_a_count_that_is_a_guess_is_not_told(trained_home: Home, demo_gguf: Path) -> None:
    with beside(trained_home, demo_gguf, "0.33.0") as (workshop, _):
        found = presence(workshop)
    assert found.served is None
    assert "served" not in found.state
