from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
from tests.support.homes import only_version, opened, reconfigure, served
from tests.support.llama_server import needs_llama_server
from tests.support.processes import wait_until

from laimark_sidecar.daemon import supervisor as module
from laimark_sidecar.daemon.supervisor import Supervisor, last_end_s, policy_of
from laimark_sidecar.errors import StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import control
from laimark_sidecar.pipeline.cycle import open_cycle
from laimark_sidecar.pipeline.folder import Closed, cycles
from laimark_sidecar.pipeline.following import LATEST
from laimark_sidecar.pipeline.router import managed_server, start_router
from laimark_sidecar.pipeline.select import select
from laimark_sidecar.registry.intent import Intent


def ticked(home: Home) -> control.Activity:
    """Do one round of the main loop, in this process, and return what it told."""
    workshop = opened(home)
    with workshop.store() as store:
        Supervisor(workshop, ())._tick(store)
    told = control.told(home)
    assert told is not None
    return told


def test_policy_is_the_configuration_and_a_request_waits_for_little_quiet(ready_home: Home) -> None:
    reconfigure(ready_home, "schedule", idle_s=90.0, min_new=7, min_interval_s=11.0)
    policy = policy_of(opened(ready_home))
    assert (policy.idle_s, policy.min_new, policy.min_interval_s) == (90.0, 7, 11.0)
    assert policy.requested_idle_s == module.REQUESTED_IDLE_S


def test_nothing_is_started_while_nobody_knows_whether_the_runner_is_busy(ready_home: Home) -> None:
    told = ticked(ready_home)
    assert told.state == "wait"
    assert "cannot be reached" in told.reason
    assert cycles(ready_home.cycles) == ()


def test_paused_is_what_it_says_first(ready_home: Home) -> None:
    control.pause(ready_home)
    assert ticked(ready_home).reason == "paused"


def test_request_with_nothing_to_learn_is_answered_and_is_no_failure(trained_home: Home) -> None:
    workshop = opened(trained_home)
    control.request_training(trained_home)
    supervisor = Supervisor(workshop, ())
    with served(workshop), workshop.store() as store:
        while control.training_requested(trained_home):
            supervisor._tick(store)
        assert "failed" not in supervisor._decide(store).reason
    assert len(cycles(trained_home.cycles)) == 1


def test_interrupted_promotion_is_settled_as_soon_as_the_runner_is_there(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    workshop.registry.intent.begin(
        Intent(kind="promote", target=version.name, previous_latest="", previous_prev="", created_s=1.0)
    )
    workshop.registry.set_refs({LATEST: version.name}, reason="test")
    control.pause(trained_home)
    ticked(trained_home)
    assert workshop.registry.intent.current() is not None
    with served(workshop):
        workshop.runner().point("me:latest", "")
        ticked(trained_home)
        assert workshop.runner().names()["me:latest"] == version.name
    assert workshop.registry.intent.current() is None


def test_damaged_intent_does_not_keep_the_daemon_from_its_work(trained_home: Home) -> None:
    workshop = opened(trained_home)
    workshop.registry.intent.path.write_bytes(b"{")
    control.pause(trained_home)
    assert ticked(trained_home).state == "wait"
    with served(workshop):
        ticked(trained_home)
    assert not workshop.registry.intent.pending()


def test_abandoned_cycle_counts_as_a_failure_so_that_the_next_one_waits(ready_home: Home) -> None:
    workshop = opened(ready_home)
    cycle = open_cycle(workshop)
    supervisor = Supervisor(workshop, ())
    with served(workshop), workshop.store() as store:
        plan = select(workshop, store, cycle)
        cycle.write_plan(replace(plan, base_sha256="f" * 64))
        while cycle.closed() is None:
            supervisor._tick(store)
        assert "attempt 1 failed" in supervisor._decide(store).reason


def test_full_disk_or_a_damaged_file_is_logged_and_the_daemon_lives_on(
    ready_home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    workshop = opened(ready_home)
    supervisor = Supervisor(workshop, ())
    (ready_home.cycles / "20260101T000000").mkdir()
    (ready_home.cycles / "20260101T000000" / "plan.json").write_bytes(b"{")
    with workshop.store() as store:
        supervisor._survive_tick(store)
    assert "plan.json is damaged" in caplog.text
    assert "the cycle is then started anew" in caplog.text
    (activity,) = [record for record in caplog.records if getattr(record, "action", "") == "daemon.fault"]
    assert activity.levelname == "ERROR"


def test_stop_is_asked_for_at_once_and_the_runner_only_now_and_then(ready_home: Home) -> None:
    workshop = opened(ready_home)
    supervisor = Supervisor(workshop, ())
    with workshop.store() as store:
        with served(workshop):
            assert not supervisor._should_stop(store)
        assert not supervisor._should_stop(store)  # the runner has just gone; it is asked again in a while
        supervisor._looked_at_s = float("-inf")
        assert supervisor._should_stop(store)
        supervisor._stop.set()
        assert supervisor._should_stop(store)


def test_interval_counts_from_the_last_end_even_after_a_restart(trained_home: Home, ready_home: Home) -> None:
    assert last_end_s(opened(ready_home)) is None
    (cycle,) = cycles(trained_home.cycles)
    closed = cycle.closed()
    assert isinstance(closed, Closed)
    assert last_end_s(opened(trained_home)) == closed.closed_s
    (cycle.root / "closed.json").write_bytes(b"{")
    with pytest.raises(StateError):
        last_end_s(opened(trained_home))


@needs_llama_server
def test_llama_server_of_ours_that_crashed_is_brought_back(trained_home: Home) -> None:
    reconfigure(trained_home, "runner", kind="llama-server")
    workshop = opened(trained_home)
    control.pause(trained_home)
    pid = start_router(workshop)
    try:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: managed_server(workshop).pid() is None, "it is gone")
        ticked(trained_home)
        assert workshop.runner().names()["me:latest"] == ""
    finally:
        managed_server(workshop).stop()
