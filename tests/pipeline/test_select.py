from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tests.support.homes import halved, only_version, opened, reconfigure, record, take_in

from laimark_sidecar.curriculum.compose import replay_count
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.cycle import open_cycle
from laimark_sidecar.pipeline.following import LATEST
from laimark_sidecar.pipeline.readiness import NothingToLearnError, eligible
from laimark_sidecar.pipeline.select import parent_now, select
from laimark_sidecar.training.jobfile import read_examples, read_job


def test_plan_job_and_examples_agree_and_nothing_held_out_is_learned(ready_home: Home) -> None:
    reconfigure(ready_home, "training", kl_soft=0.05)
    workshop = opened(ready_home)
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        plan = select(workshop, store, cycle)
        held = {item.id for item in store.items(split="heldout")}
        new = {item.id for item in eligible(workshop, store)}
    job, examples = read_job(cycle.job), read_examples(cycle.examples)
    assert cycle.plan() == plan
    assert set(plan.new_ids) == new
    assert not held & {example.id for example in examples}
    assert {example.pool for example in examples} == {"new", "core"}
    assert all(example.target == "" for example in examples if example.pool == "core")
    assert (job.parent_adapter, job.base_sha256) == ("", workshop.base.identity.sha256)
    assert (job.steps, job.learning_rate, job.kl_soft) == (4, 3e-3, 0.05)


def test_equal_buffer_and_seed_choose_the_same(ready_home: Home) -> None:
    workshop = opened(ready_home)
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        first = select(workshop, store, cycle)
        written = cycle.examples.read_bytes()
        assert select(workshop, store, cycle).sample_ids == first.sample_ids
    assert cycle.examples.read_bytes() == written


def test_core_prompts_are_the_same_in_every_cycle(ready_home: Home, trained_home: Home) -> None:
    record(trained_home, range(100, 110))
    found = []
    for home in (ready_home, trained_home):
        workshop = opened(home)
        take_in(workshop)
        cycle = open_cycle(workshop)
        with workshop.store() as store:
            select(workshop, store, cycle)
        found.append({one.id for one in read_examples(cycle.examples) if one.pool == "core"})
    assert found[0] == found[1]


def test_next_cycle_goes_on_from_what_answers_and_sees_old_lessons_again(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    workshop.registry.set_refs({LATEST: version.name}, reason="test")
    record(trained_home, range(100, 110))
    take_in(workshop)
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        plan = select(workshop, store, cycle)
    job = read_job(cycle.job)
    assert plan.parent == version.name
    assert set(plan.new_ids) < set(plan.sample_ids)
    assert len(plan.sample_ids) - len(plan.new_ids) == replay_count(len(plan.new_ids))
    assert job.parent_adapter == str(cycle.parent)
    assert job.parent_curvature == str(cycle.parent / "curvature.safetensors")
    assert (cycle.parent / "adapter_config.json").is_file()
    assert (cycle.parent / "adapter.gguf").is_file()


def test_fresh_mode_learns_the_whole_buffer_from_the_base(trained_home: Home) -> None:
    reconfigure(trained_home, "training", mode="fresh")
    record(trained_home, range(100, 104))
    workshop = opened(trained_home)
    workshop.registry.set_refs({LATEST: only_version(workshop).name}, reason="test")
    take_in(workshop)
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        new = {item.id for item in eligible(workshop, store)}
        held = {item.id for item in store.items(split="train") if item.weight > 0}
        plan = select(workshop, store, cycle)
    assert (plan.parent, plan.grows_on) == (only_version(workshop).name, "")
    assert read_job(cycle.job).parent_adapter == ""
    assert set(plan.sample_ids) == held > new == set(plan.new_ids)
    pools = {one.id: one.pool for one in read_examples(cycle.examples)}
    assert {pools[item_id] for item_id in plan.sample_ids} == {"new"}


def test_adapter_that_was_accepted_at_a_smaller_scale_is_gone_on_from_in_its_own_shape(
    trained_home: Home,
) -> None:
    reconfigure(trained_home, "training", rank=32, alpha=99.0)  # for the next adapter that begins at the base
    workshop = opened(trained_home)
    smaller = halved(workshop, only_version(workshop))
    workshop.registry.set_refs({LATEST: smaller.name}, reason="test")
    record(trained_home, range(100, 110))
    take_in(workshop)
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        select(workshop, store, cycle)
    job = read_job(cycle.job)
    assert (job.rank, job.alpha) == (4, 8.0)


def test_parent_is_the_base_after_a_change_of_base(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    assert parent_now(workshop) == ""
    workshop.registry.set_refs({LATEST: version.name}, reason="test")
    assert parent_now(workshop) == version.name
    foreign = replace(version, name="me:2026-11-22-ffff", base=replace(version.base, sha256="f" * 64))
    workshop.registry.add(foreign)
    workshop.registry.set_refs({LATEST: foreign.name}, reason="test")
    assert parent_now(workshop) == ""


def test_quarantine_keeps_items_waiting(ready_home: Home) -> None:
    reconfigure(ready_home, "replay", quarantine_hours=1.0)
    workshop = opened(ready_home)
    with workshop.store() as store:
        assert eligible(workshop, store) == ()
        waiting = store.stats().untrained
        with pytest.raises(
            NothingToLearnError, match=f"nothing new to learn .{waiting} lessons wait in"
        ) as caught:
            select(workshop, store, open_cycle(workshop))
    assert "0 of 4 held-out examples" in str(caught.value)
    assert "replay.quarantine_hours" in caught.value.hint


def test_lessons_are_not_spent_while_there_is_too_little_to_judge_by(ready_home: Home) -> None:
    reconfigure(ready_home, "gate", min_items=1000)
    workshop = opened(ready_home)
    with workshop.store() as store:
        before = store.stats()
        with pytest.raises(NothingToLearnError, match="of 1000 held-out") as caught:
            select(workshop, store, open_cycle(workshop))
        assert store.stats() == before
    assert "min_items" in caught.value.hint
    assert "about 2000 corrections" in caught.value.hint  # half of the conversations are held out here
    assert not list(ready_home.cycles.iterdir())


def test_source_that_says_little_waits_instead_of_filling_a_cycle(ready_home: Home) -> None:
    workshop = opened(ready_home)
    with workshop.store() as store:
        rng = random.Random(0)
        trusted = list(eligible(workshop, store))
        strangers = [
            replace(item, id=f"{rng.getrandbits(128):032x}", source="stranger", target=f"{item.target} # {n}")
            for n, item in enumerate(trusted)
        ]
        strangers = [
            replace(item, spans=(replace(item.spans[0], end=len(item.target)),)) for item in strangers
        ]
        store.mark_trained([item.id for item in trusted], "earlier")
        store.ingest("stranger", b"1", (), strangers)
        assert eligible(workshop, store)
        with pytest.raises(NothingToLearnError, match="said too little"):
            select(workshop, store, open_cycle(workshop))
    assert not list(ready_home.cycles.iterdir())
