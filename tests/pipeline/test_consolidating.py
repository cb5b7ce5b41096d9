from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import (
    add_twin,
    answer,
    never,
    only_version,
    opened,
    reconfigure,
    record,
    served,
    silent,
    take_in,
)

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import control
from laimark_sidecar.pipeline.consolidating import ASKED, MODE, consolidation
from laimark_sidecar.pipeline.cycle import advance, open_cycle
from laimark_sidecar.pipeline.folder import Closed, CycleFolder, Judgement, Plan, cycles
from laimark_sidecar.pipeline.following import LATEST, PREV
from laimark_sidecar.pipeline.promote import rollback
from laimark_sidecar.pipeline.select import select
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.training.jobfile import read_examples, read_job
from laimark_sidecar.validation.checks import Reason
from laimark_sidecar.validation.verdict import Verdict


@pytest.fixture
def serving(trained_home: Home) -> Workshop:
    """A home whose only version serves."""
    workshop = opened(trained_home)
    workshop.registry.set_refs({LATEST: only_version(workshop).name}, reason="test")
    return workshop


def reason(workshop: Workshop) -> str:
    return consolidation(workshop, workshop.registry.refs()[LATEST])


def refused(workshop: Workshop, number: int, check: str, *, consolidated: str = "") -> None:
    """Leave a cycle that the gate refused for `check`."""
    cycle = CycleFolder(root=workshop.home.cycles / f"29990101T00000{number}")
    cycle.root.mkdir(parents=True)
    cycle.write_plan(
        Plan(
            id=cycle.id,
            created_s=0.0,
            seed=0,
            parent="",
            base_sha256="0",
            sample_ids=(),
            new_ids=(),
            consolidation=consolidated,
        )
    )
    failed = Reason(check=check, passed=False, value=1.0, threshold=0.0, text="")  # type: ignore[arg-type]
    verdict = Verdict(accepted=False, reasons=(failed,), metrics={})
    cycle.write_judgement(Judgement(scale=0.25, verdict=verdict))
    cycle.write_closed(Closed(ending="rejected", version="", reason="", closed_s=0.0))


def test_a_young_chain_goes_on(serving: Workshop) -> None:
    assert reason(serving) == ""


def test_the_configuration_and_the_user_have_the_first_word(trained_home: Home, serving: Workshop) -> None:
    control.request_consolidation(trained_home)
    assert reason(serving) == ASKED
    reconfigure(trained_home, "training", mode="fresh")
    assert reason(opened(trained_home)) == MODE


def test_another_kind_of_adapter_begins_at_the_base_and_is_served(
    trained_home: Home, serving: Workshop
) -> None:
    reconfigure(trained_home, "promotion", mode="auto")
    reconfigure(trained_home, "training", adapter="ia3", consolidate_every=0, steps=16, learning_rate=3e-2)
    before = only_version(serving)
    record(trained_home, range(100, 110))
    workshop = opened(trained_home)
    take_in(workshop)
    cycle = open_cycle(workshop)
    with served(workshop):
        closed = advance(workshop, cycle, report=silent, should_stop=never)
        assert closed.ending == "promoted", closed.reason
        assert answer(workshop, "me:latest", "def f(x):") != answer(workshop, before.name, "def f(x):")
    made = workshop.registry.get(closed.version)
    assert (made.adapter, made.parent, read_job(cycle.job).parent_adapter) == ("ia3", "", "")
    assert "of the kind lora, and the next is to be ia3" in made.consolidation
    assert 0.0 < made.metrics["rounded_away"] < 5e-4
    assert reason(workshop) == ""


def test_a_long_chain_is_cut(trained_home: Home, serving: Workshop) -> None:
    reconfigure(trained_home, "training", consolidate_every=2)
    first = only_version(serving)
    twin = add_twin(serving, first, name="me:2026-11-22-ffff", parent=first.name)
    assert reason(opened(trained_home)) == ""
    serving.registry.set_refs({LATEST: twin.name}, reason="test")
    assert reason(opened(trained_home)).startswith("2 versions have grown")


def test_a_chain_without_room_is_cut(serving: Workshop) -> None:
    refused(serving, 1, "core")
    assert reason(serving) == ""
    refused(serving, 2, "kl")
    assert "the last 2 candidates" in reason(serving)
    refused(serving, 3, "gain")
    assert reason(serving) == ""


def test_what_was_forgotten_is_slept_off_until_a_refusal(serving: Workshop) -> None:
    lesson = only_version(serving).sample_ids[0]
    with serving.store() as store:
        store.oblivion.remove([lesson])
    assert "forgotten" in reason(serving)
    refused(serving, 1, "gain", consolidated="once")
    assert reason(serving) == ""


def test_a_consolidation_is_made_from_the_base_judged_by_what_serves_and_can_be_stepped_back_from(
    trained_home: Home, serving: Workshop
) -> None:
    reconfigure(trained_home, "promotion", mode="auto")
    reconfigure(trained_home, "training", steps=16)
    before = only_version(serving)
    record(trained_home, range(100, 110))
    workshop = opened(trained_home)
    take_in(workshop)
    control.request_consolidation(trained_home)
    cycle = open_cycle(workshop)
    with served(workshop):
        closed = advance(workshop, cycle, report=silent, should_stop=never)
        plan, judgement = cycle.plan(), cycle.judgement()
        assert closed.ending == "promoted", closed.reason
        made = workshop.registry.get(closed.version)
        assert rollback(workshop) == before.name
    assert plan is not None
    assert judgement is not None
    assert (plan.consolidation, plan.parent) == (ASKED, before.name)
    assert (made.parent, made.consolidation) == ("", ASKED)
    assert set(before.sample_ids) < set(made.sample_ids)
    assert "previous" in judgement.verdict.metrics
    assert workshop.registry.refs() == {LATEST: before.name, PREV: ""}
    assert not control.consolidation_requested(trained_home)


def test_its_steps_show_every_lesson_and_its_anchor_begins_anew(
    trained_home: Home, serving: Workshop
) -> None:
    control.request_consolidation(trained_home)
    cycle = open_cycle(serving)
    with serving.store() as store:
        plan = select(serving, store, cycle)  # nothing is new: what is known is worth another look
    job = read_job(cycle.job)
    assert plan.new_ids == ()
    assert (job.parent_adapter, job.parent_curvature) == ("", "")
    assert job.steps >= len(plan.sample_ids) / job.batch_size
    assert {one.pool for one in read_examples(cycle.examples)} == {"new", "core"}


def test_a_wish_outlives_a_crash_before_the_plan_and_not_the_plan(
    trained_home: Home, serving: Workshop
) -> None:
    control.request_consolidation(trained_home)
    cycle = open_cycle(serving)
    cycle.root.mkdir(parents=True)  # as if killed in the middle of selecting
    cycle = open_cycle(serving)
    with serving.store() as store:
        assert select(serving, store, cycle).consolidation == ASKED
    assert not control.consolidation_requested(trained_home)
    left = open_cycle(serving)
    assert left.root == cycle.root
    again = left.plan()
    assert again is not None
    assert again.consolidation == ASKED


def test_what_a_refused_consolidation_brought_is_new_to_the_next_cycle(
    trained_home: Home, serving: Workshop
) -> None:
    reconfigure(trained_home, "gate", min_gain=99.0)
    record(trained_home, range(100, 110))
    workshop = opened(trained_home)
    take_in(workshop)
    control.request_consolidation(trained_home)
    with workshop.store() as store:
        waiting = store.stats().untrained
    closed = advance(workshop, open_cycle(workshop), report=silent, should_stop=never)
    assert closed.ending == "rejected"
    with workshop.store() as store:
        assert store.stats().untrained == waiting > 0
    (newest,) = [cycle for cycle in cycles(trained_home.cycles) if cycle.closed() == closed]
    plan = newest.plan()
    assert plan is not None
    assert replace(plan, consolidation="").grows_on == only_version(workshop).name
