from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from tests.support.homes import never, opened, reconfigure, record, silent, take_in

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.cycle import open_cycle
from laimark_sidecar.pipeline.folder import cycles
from laimark_sidecar.pipeline.prequential import HINTED, Prequential, _hinted, _losses, score_before_training
from laimark_sidecar.pipeline.select import select
from laimark_sidecar.pipeline.stopping import Yielded
from laimark_sidecar.validation.evidence import ItemScore


def score(item_id: str, logprob: float) -> ItemScore:
    return ItemScore(id=item_id, tokens=2, base=-9.0, candidate=logprob)


def test_every_new_item_was_scored_before_it_could_be_learned(trained_home: Home) -> None:
    (cycle,) = cycles(trained_home.cycles)
    plan = cycle.plan()
    assert plan is not None
    found = msgspec.json.decode((cycle.root / "prequential.json").read_bytes(), type=Prequential)
    assert {one.id for one in found.items} == set(plan.sample_ids)
    assert found.version == ""
    assert all(
        one.base == one.candidate for one in found.items
    )  # nothing had been learned: the base is the version


def test_it_is_done_once_and_stays_undone_when_stopped(ready_home: Home) -> None:
    workshop = opened(ready_home)
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        plan = select(workshop, store, cycle)
        with pytest.raises(Yielded):
            score_before_training(workshop, store, cycle, plan, report=silent, should_stop=lambda: True)
        assert not (cycle.root / "prequential.json").exists()
        (cycle.root / "prequential.json").write_bytes(b"done")
        score_before_training(workshop, store, cycle, plan, report=silent, should_stop=lambda: True)
    assert (cycle.root / "prequential.json").read_bytes() == b"done"


def test_hint_joins_the_users_last_turn(ready_home: Home) -> None:
    with opened(ready_home).store() as store:
        item = replace(next(store.items()), hint="because")
    hinted = _hinted(item)
    assert hinted.id == item.id + HINTED
    assert hinted.messages[:-1] == item.messages[:-1]
    assert hinted.messages[-1].content == item.messages[-1].content + "\n\nbecause"
    answered = replace(item, messages=(*item.messages, replace(item.messages[0], role="assistant")))
    told = _hinted(answered).messages
    assert [message.role for message in told[-2:]] == ["assistant", "user"]
    assert told[:-1] == answered.messages


def test_surprise_needs_a_hint_and_forgetting_a_lesson_learned_and_both_need_figures(
    ready_home: Home,
) -> None:
    with opened(ready_home).store() as store:
        new, old, plain, broken, unhinted = list(store.items(limit=5))
    paired = {
        **{item.id: score(item.id, -4.0) for item in (new, old, plain)},
        **{item.id + HINTED: score(item.id + HINTED, -1.0) for item in (new, old, broken)},
        unhinted.id: score(unhinted.id, -6.0),
        unhinted.id + HINTED: score(unhinted.id + HINTED, float("-inf")),
        broken.id: score(broken.id, float("nan")),
    }
    asked = [new, old, plain, broken, unhinted]
    losses = {one.id: one for one in _losses(asked, paired, new={new.id})}
    assert set(losses) == {new.id, old.id, plain.id, unhinted.id}
    assert (losses[new.id].loss, losses[new.id].loss_hint, losses[new.id].loss_accepted) == (2.0, 0.5, None)
    assert losses[old.id].loss_accepted == 2.0
    assert (losses[plain.id].loss, losses[plain.id].loss_hint, losses[plain.id].loss_accepted) == (2, None, 2)
    assert (losses[unhinted.id].loss, losses[unhinted.id].loss_hint) == (3.0, None)


def test_base_is_asked_only_about_what_is_new(trained_home: Home) -> None:
    reconfigure(trained_home, "training", mode="fresh")
    record(trained_home, range(100, 104))
    workshop = opened(trained_home)
    take_in(workshop)
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        plan = select(workshop, store, cycle)
        score_before_training(workshop, store, cycle, plan, report=silent, should_stop=never)
    found = msgspec.json.decode((cycle.root / "prequential.json").read_bytes(), type=Prequential)
    assert {one.id for one in found.items} == set(plan.new_ids) < set(plan.sample_ids)
