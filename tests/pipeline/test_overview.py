from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from tests.support.homes import CONVERSATIONS, only_version, opened, plan_with_result, reconfigure, served

from laimark_sidecar.clock import SystemClock, iso
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import control
from laimark_sidecar.pipeline.core import load_core, write_core
from laimark_sidecar.pipeline.folder import Closed
from laimark_sidecar.pipeline.following import LATEST, PREV
from laimark_sidecar.pipeline.overview import overview
from laimark_sidecar.pipeline.promote import promote, rollback
from laimark_sidecar.registry.intent import Intent


def test_home_before_its_first_cycle(ready_home: Home) -> None:
    found = overview(opened(ready_home))
    assert (found.latest, found.previous, found.last_cycle, found.awaiting, found.cycles) == (
        "",
        "",
        "",
        "",
        0,
    )
    assert found.items == CONVERSATIONS
    assert found.new_items + found.heldout == CONVERSATIONS
    assert not found.runner_reachable
    assert "laimark-sidecar serve" in found.runner
    assert found.daemon.startswith("not running")
    assert (found.recording, found.paused) == (True, False)


def test_what_a_llama_server_answers_is_not_recorded_while_no_gateway_runs(ready_home: Home) -> None:
    reconfigure(ready_home, "runner", kind="llama-server")
    found = overview(opened(ready_home))
    assert not found.recording
    assert found.why_not_recorded == "the gateway does not run: laimark-sidecar gateway"


def test_a_cycle_that_was_interrupted_is_told_until_it_has_ended(
    ready_home: Home, trained_root: Path
) -> None:
    assert overview(opened(ready_home)).open_cycle == ""
    workshop, cycle = plan_with_result(ready_home, trained_root)
    plan = cycle.plan()
    assert plan is not None
    told = f"{cycle.id}, begun {iso(plan.created_s)}, {len(plan.new_ids)} new lessons"
    assert overview(workshop).open_cycle == told
    cycle.write_closed(Closed(ending="rejected", version="", reason="no gain", closed_s=1.0))
    found = overview(workshop)
    assert (found.open_cycle, found.last_cycle) == ("", f"{iso(1.0)} rejected no gain")


def test_versions_that_were_judged_by_what_says_little_of_the_base_are_a_warning(
    ready_home: Home, trained_home: Home, demo_gguf: Path
) -> None:
    reconfigure(ready_home, "base", hf="", gguf=str(demo_gguf))
    assert not any("core build" in warning for warning in overview(opened(ready_home)).warnings)
    reconfigure(trained_home, "base", hf="", gguf=str(demo_gguf))
    workshop = opened(trained_home)
    assert any("core build" in warning for warning in overview(workshop).warnings)
    write_core(workshop.base.core, load_core(workshop.base).tasks, made_s=1.0)
    assert not any("core build" in warning for warning in overview(workshop).warnings)


def test_version_waits_until_it_is_promoted(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    assert overview(workshop).awaiting == version.name
    with served(workshop):
        assert "awaiting-review" in overview(workshop).last_cycle
        promote(workshop, version)
        found = overview(workshop)
        assert (found.latest_name, found.latest, found.awaiting) == ("me:latest", version.name, "")
        assert found.runner_reachable
        assert found.last_cycle.endswith(f"promoted {version.name}")
        # Stepping back from it is an answer too: it does not wait any more.
        rollback(workshop)
        assert overview(workshop).awaiting == ""


def test_a_version_that_was_removed_does_not_wait(trained_home: Home) -> None:
    workshop = opened(trained_home)
    name = only_version(workshop).name
    workshop.registry.remove(name)
    found = overview(workshop)
    assert found.awaiting == ""
    assert found.last_cycle.endswith(f"awaiting-review {name}, removed since")


def test_what_the_daemon_does_is_shown(ready_home: Home) -> None:
    activity = control.Activity(
        pid=os.getpid(), state="training", reason="training", share=0.5, updated_s=SystemClock().now_s()
    )
    control.tell(ready_home, activity)
    control.pause(ready_home)
    found = overview(opened(ready_home))
    assert found.daemon == f"pid {os.getpid()}, training: training 50%"
    assert found.paused


def test_latest_of_another_base_is_said_to_answer_as_the_base(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    other = replace(version, name="me:2026-11-22-fff1", base=replace(version.base, sha256="f" * 64))
    workshop.registry.add(other)
    workshop.registry.set_refs({LATEST: version.name, PREV: other.name}, reason="test")
    found = overview(workshop)
    assert (found.latest, found.answering) == (version.name, version.name)
    assert [warning.split()[0] for warning in found.warnings] == ["me:prev"]
    workshop.registry.set_refs({LATEST: other.name, PREV: ""}, reason="test")
    found = overview(workshop)
    assert (found.latest, found.answering) == (other.name, "")
    (warning,) = found.warnings
    assert warning.startswith(f"me:latest is {other.name}, made for base ffffffffffff")
    assert "the base answers (restore the base file" in warning


def test_interrupted_move_is_told_whether_its_intent_can_be_read_or_not(ready_home: Home) -> None:
    workshop = opened(ready_home)
    workshop.registry.intent.begin(
        Intent(kind="rollback", target="", previous_latest="", previous_prev="", created_s=1.0)
    )
    (warning,) = overview(workshop).warnings
    assert warning == "intent.json: a rollback of base is not finished (laimark-sidecar run finishes it)"
    workshop.registry.intent.path.write_bytes(b"{")
    (warning,) = overview(workshop).warnings
    assert "is damaged" in warning
    assert warning.endswith("(laimark-sidecar run sets it aside; the refs decide)")
