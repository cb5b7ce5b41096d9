from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.support.homes import never, only_version, opened, plan_with_result, reconfigure, served, silent
from tests.support.tools import HandClock

from laimark_sidecar.errors import (
    BaseChangedError,
    ConversionError,
    MissingExtraError,
    RunnerError,
    StateError,
    TrainingError,
)
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.checkup import checkup
from laimark_sidecar.pipeline.cycle import MAX_FAILURES, advance, open_cycle
from laimark_sidecar.pipeline.folder import CycleFolder, cycles
from laimark_sidecar.pipeline.following import LATEST, PREV
from laimark_sidecar.pipeline.promote import rollback
from laimark_sidecar.pipeline.readiness import NothingToLearnError
from laimark_sidecar.pipeline.select import select
from laimark_sidecar.pipeline.stopping import Yielded
from laimark_sidecar.training.jobfile import read_examples, read_result


def test_trained_cycle_leaves_a_version_a_verdict_and_no_text_of_the_user(trained_home: Home) -> None:
    workshop = opened(trained_home)
    (cycle,) = cycles(trained_home.cycles)
    closed, plan, version = cycle.closed(), cycle.plan(), only_version(workshop)
    assert closed is not None
    assert plan is not None
    assert (closed.ending, closed.version) == ("awaiting-review", version.name)
    assert version.sample_ids == plan.sample_ids
    assert version.metrics["gain"] > 0
    assert {"adapter.gguf", "adapter_model.safetensors", "evidence.json"} < set(version.objects)
    assert not any("LaimarkUnreachable" in path.read_text("latin-1") for path in cycle.root.rglob("*.json*"))
    assert not (cycle.root / "parent").exists()
    with workshop.store() as store:
        assert store.stats().untrained == 0
    assert checkup(workshop) == ()


def test_promotion_that_fails_is_tried_again_without_training_or_a_second_version(
    ready_home: Home, trained_root: Path
) -> None:
    reconfigure(ready_home, "promotion", mode="auto")
    workshop, cycle = plan_with_result(ready_home, trained_root)
    for _ in range(MAX_FAILURES + 1):  # a runner that is not there is waited for, however long
        with pytest.raises(RunnerError, match="does not answer"):
            advance(workshop, cycle, report=silent, should_stop=never)
    name = only_version(workshop).name
    assert cycle.closed() is None
    written = (cycle.result / "result.json").stat().st_mtime_ns
    with served(workshop):
        closed = advance(workshop, open_cycle(workshop), report=silent, should_stop=never)
        assert workshop.runner().names()["me:latest"] == name
        assert checkup(workshop) == ()
    assert (closed.ending, closed.version) == ("promoted", name)
    assert only_version(workshop).name == name
    assert (cycle.result / "result.json").stat().st_mtime_ns == written


def test_rollback_between_promotion_and_the_end_of_the_cycle_stands(
    ready_home: Home, trained_root: Path
) -> None:
    reconfigure(ready_home, "promotion", mode="auto")
    workshop, cycle = plan_with_result(ready_home, trained_root)
    with served(workshop):
        advance(workshop, cycle, report=silent, should_stop=never)
        (cycle.root / "closed.json").unlink()  # as if the process had died just before writing it
        rollback(workshop)
        closed = advance(workshop, cycle, report=silent, should_stop=never)
    assert closed.ending == "promoted"
    assert workshop.registry.refs() == {LATEST: "", PREV: ""}


def test_version_that_the_runner_keeps_refusing_is_left_to_the_user(
    ready_home: Home, trained_root: Path
) -> None:
    reconfigure(ready_home, "promotion", mode="auto")
    workshop, cycle = plan_with_result(ready_home, trained_root)
    with pytest.raises(RunnerError):
        advance(workshop, cycle, report=silent, should_stop=never)
    version = only_version(workshop)
    gguf = workshop.registry.objects.path(version.objects["adapter.gguf"])
    gguf.chmod(0o600)
    gguf.write_bytes(b"damaged")
    with served(workshop):
        for _ in range(MAX_FAILURES - 1):
            with pytest.raises(StateError, match="damaged"):
                advance(workshop, cycle, report=silent, should_stop=never)
        closed = advance(workshop, cycle, report=silent, should_stop=never)
    assert closed.ending == "awaiting-review"
    assert "could not be promoted" in closed.reason
    assert workshop.registry.refs()[LATEST] == ""


def test_worker_that_fails_three_times_ends_the_cycle_but_not_the_lessons(ready_home: Home) -> None:
    reconfigure(ready_home, "training", python="/nonexistent/python")
    workshop = opened(ready_home)
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        plan = select(workshop, store, cycle)
        (cycle.root / "prequential.json").write_bytes(b"{}")
    for _ in range(MAX_FAILURES - 1):
        with pytest.raises(TrainingError, match="nonexistent"):
            advance(workshop, open_cycle(workshop), report=silent, should_stop=never)
    closed = advance(workshop, open_cycle(workshop), report=silent, should_stop=never)
    assert closed.ending == "abandoned"
    assert "failed 3 times" in closed.reason
    assert len(list(cycle.root.glob("failure-*.txt"))) == MAX_FAILURES
    with workshop.store() as store:
        assert store.stats().untrained == len(plan.new_ids)


def test_missing_training_packages_end_the_cycle_and_say_so(ready_home: Home, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\necho 'error: No module named torch' >&2\nexit 12\n")
    bare.chmod(0o700)
    reconfigure(ready_home, "training", python=str(bare))
    workshop = opened(ready_home)
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        plan = select(workshop, store, cycle)
        (cycle.root / "prequential.json").write_bytes(b"{}")
    for _ in range(MAX_FAILURES - 1):
        with pytest.raises(MissingExtraError, match="No module named torch"):
            advance(workshop, cycle, report=silent, should_stop=never)
    closed = advance(workshop, cycle, report=silent, should_stop=never)
    assert closed.ending == "abandoned"
    assert "No module named torch" in closed.reason
    with workshop.store() as store:
        assert store.stats().untrained == len(plan.new_ids)


def test_candidate_that_was_rolled_back_to_its_parent_is_refused(
    ready_home: Home, trained_root: Path
) -> None:
    workshop, cycle = plan_with_result(ready_home, trained_root)
    result = replace(read_result(cycle.result), steps=0, losses=(), stopped="kl_stop")
    (cycle.result / "result.json").write_bytes(msgspec.json.encode(result))
    closed = advance(workshop, cycle, report=silent, should_stop=never)
    assert closed.ending == "rejected"
    assert "nothing was learned" in closed.reason
    assert workshop.registry.versions() == ()


def test_adapter_that_cannot_be_converted_ends_the_cycle_too(ready_home: Home, trained_root: Path) -> None:
    workshop, cycle = plan_with_result(ready_home, trained_root)
    (cycle.result / "adapter" / "adapter_config.json").write_text('{"peft_type": "PREFIX_TUNING"}')
    for _ in range(MAX_FAILURES - 1):
        with pytest.raises(ConversionError, match="adapter"):
            advance(workshop, cycle, report=silent, should_stop=never)
    assert advance(workshop, cycle, report=silent, should_stop=never).ending == "abandoned"
    assert workshop.registry.versions() == ()


def test_rejected_cycle_counts_its_items_as_seen_and_makes_no_version(
    ready_home: Home, trained_root: Path
) -> None:
    reconfigure(ready_home, "gate", min_gain=50.0, kl_alarm=1e-6, kl_stop=1e-6)
    workshop, cycle = plan_with_result(ready_home, trained_root)
    closed = advance(workshop, cycle, report=silent, should_stop=never)
    assert closed.ending == "rejected"
    assert "held-out items" in closed.reason
    assert workshop.registry.versions() == ()
    with workshop.store() as store:
        assert store.stats().untrained == 0


def test_cycle_planned_on_another_base_is_abandoned(ready_home: Home) -> None:
    workshop = opened(ready_home)
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        plan = select(workshop, store, cycle)
    cycle.write_plan(replace(plan, base_sha256="f" * 64))
    closed = advance(workshop, cycle, report=silent, should_stop=never)
    assert (closed.ending, closed.reason) == ("abandoned", "the base model changed under the cycle")


def test_base_that_changes_under_a_running_process_stops_it_before_anything_is_trained(
    ready_home: Home, tmp_path: Path
) -> None:
    gguf = tmp_path / "own.gguf"
    shutil.copy(opened(ready_home).config.base.gguf, gguf)
    reconfigure(ready_home, "base", gguf=str(gguf))
    workshop = opened(ready_home)
    with gguf.open("ab") as handle:
        handle.write(b"\0" * 32)
    with pytest.raises(BaseChangedError, match=workshop.base.identity.sha256[:12]) as caught:
        advance(workshop, open_cycle(workshop), report=silent, should_stop=never)
    assert "restart" in caught.value.hint
    assert cycles(ready_home.cycles) == ()


def test_cycle_whose_parent_the_user_left_is_abandoned(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    workshop.registry.set_refs({LATEST: version.name}, reason="test")
    cycle = CycleFolder(root=trained_home.cycles / "29991231T000000")
    plan = cycles(trained_home.cycles)[0].plan()
    assert plan is not None
    cycle.write_plan(replace(plan, id=cycle.id, parent=version.name))
    workshop.registry.set_refs({LATEST: ""}, reason="rollback")
    closed = advance(workshop, cycle, report=silent, should_stop=never)
    assert closed.ending == "abandoned"
    assert f"moved away from {version.name}" in closed.reason


def test_nothing_new_leaves_no_folder(trained_home: Home) -> None:
    workshop = opened(trained_home)
    with pytest.raises(NothingToLearnError, match="nothing new"):
        advance(workshop, open_cycle(workshop), report=silent, should_stop=never)
    assert len(cycles(trained_home.cycles)) == 1


def test_stop_while_scoring_yields_and_the_cycle_goes_on_later(ready_home: Home) -> None:
    workshop = opened(ready_home)
    cycle = open_cycle(workshop)
    with pytest.raises(Yielded):
        advance(workshop, cycle, report=silent, should_stop=lambda: True)
    assert open_cycle(workshop) == cycle


def test_two_cycles_within_a_second_get_folders_of_their_own(trained_home: Home) -> None:
    (ended,) = cycles(trained_home.cycles)
    workshop = replace(opened(trained_home), clock=HandClock(1_795_383_600.0))
    first = open_cycle(workshop)
    first.root.mkdir()
    shutil.copy(ended.root / "plan.json", first.root)
    shutil.copy(ended.root / "closed.json", first.root)
    second = open_cycle(workshop)
    assert second.id == f"{first.id}-01"
    assert sorted([second.id, first.id, "20991231T000000"]) == [first.id, second.id, "20991231T000000"]


def test_folder_without_a_plan_is_cleared_away(ready_home: Home) -> None:
    left = ready_home.cycles / "20260101T000000"
    left.mkdir()
    (left / "examples.jsonl").write_text("the user's words")
    open_cycle(opened(ready_home))
    assert not left.exists()


def test_item_that_is_forgotten_before_training_is_not_learned_after_all(ready_home: Home) -> None:
    reconfigure(ready_home, "training", python="/nonexistent/python")
    workshop = opened(ready_home)
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        plan = select(workshop, store, cycle)
        forgotten = store.get(plan.new_ids[0])
        assert forgotten is not None
        (cycle.root / "prequential.json").write_bytes(b"{}")
        store.oblivion.remove([forgotten.id])
    with pytest.raises(TrainingError):
        advance(workshop, cycle, report=silent, should_stop=never)
    left = {example.id for example in read_examples(cycle.examples)}
    assert forgotten.id not in left
    assert set(plan.new_ids[1:]) < left
    assert forgotten.messages[0].content.encode()[:40] not in cycle.examples.read_bytes()
