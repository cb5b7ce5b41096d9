"""Promotion and rollback through the user's own kind of runner: a real llama-server, kept by the home."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.support.homes import answer, only_version, opened, reconfigure
from tests.support.journey import QUESTION, there_and_back
from tests.support.llama_server import needs_llama_server
from tests.support.processes import wait_until

from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.following import LATEST
from laimark_sidecar.pipeline.promote import promote, rollback
from laimark_sidecar.pipeline.router import (
    managed_server,
    revive,
    router_sections,
    router_status,
    start_router,
)
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.runners.llama_server.sections import Section

pytestmark = pytest.mark.timeout(
    240
)  # the first pays for the training, on a busy machine more than a test may take


@pytest.fixture(params=["router", "single"])
def workshop(request: pytest.FixtureRequest, trained_home: Home) -> Workshop:
    reconfigure(trained_home, "runner", kind="llama-server", mode=request.param)
    return opened(trained_home)


@contextmanager
def routed(workshop: Workshop) -> Iterator[int]:
    pid = start_router(workshop)
    try:
        yield pid
    finally:
        managed_server(workshop).stop()


def test_it_starts_from_what_the_registry_says(workshop: Workshop) -> None:
    version = only_version(workshop)
    workshop.registry.set_refs({LATEST: version.name}, reason="test")
    sha256 = version.objects["adapter.gguf"]
    path = workshop.registry.objects.path(sha256)
    assert router_sections(workshop) == {
        Section(name="demo", kind="base"): None,
        Section(name=version.name, kind="version", version=version.name, sha256=sha256): path,
        Section(name="me:latest", kind="moving", version=version.name, sha256=sha256): path,
        Section(name="me:prev", kind="moving"): None,
    }


def test_there_is_none_to_look_after_where_another_runner_is_configured(ready_home: Home) -> None:
    with pytest.raises(ConfigError, match="no llama-server") as caught:
        managed_server(opened(ready_home))
    assert "runner.kind" in caught.value.hint


@needs_llama_server
def test_the_whole_way_there_and_back(workshop: Workshop) -> None:
    with routed(workshop):
        there_and_back(workshop)


@needs_llama_server
def test_a_move_that_the_router_did_not_survive_counts_after_the_next_start(workshop: Workshop) -> None:
    version = only_version(workshop)
    with routed(workshop) as pid:
        promote(workshop, version)
        tuned = answer(workshop, "me:latest", QUESTION)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: managed_server(workshop).pid() is None, "the router is gone")
        with pytest.raises(RunnerError, match=r"no llama-server|does not answer"):
            rollback(workshop)
        assert not router_status(workshop).answers
        assert "runner start" in router_status(workshop).told()
        assert start_router(workshop) != pid
        assert answer(workshop, "me:latest", QUESTION) == tuned
        status = router_status(workshop)
        assert status.answers
        assert status.names["me:latest"] == version.name
        assert f"me:latest -> {version.name}" in status.told()
        alone = "every client gets me:latest" in status.told()
        assert alone is (workshop.config.runner.mode == "single")
        assert alone is ("base -> base" not in status.told())


@needs_llama_server
def test_one_that_crashed_is_started_again_and_one_that_was_stopped_is_not(workshop: Workshop) -> None:
    assert not revive(workshop)  # never started
    version = only_version(workshop)
    with routed(workshop) as pid:
        promote(workshop, version)
        assert not revive(workshop)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: managed_server(workshop).pid() is None, "it is gone")
        assert revive(workshop)
        assert workshop.runner().names()["me:latest"] == version.name
        managed_server(workshop).stop()
        assert not revive(workshop)
    reconfigure(workshop.home, "runner", kind="embedded")
    assert not revive(opened(workshop.home))
