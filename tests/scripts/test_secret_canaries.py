from __future__ import annotations

import random

import pytest
from scripts.secret_canaries import CODES, LEAST_CODE, WAYS, Canary, alternatives, canaries, tellings

from laimark_sidecar.demo.code_tasks import Task, completion_prompt
from laimark_sidecar.experience.privacy.scan import findings

CONTEXTS = [
    Task(kind="complete", prompt=completion_prompt(f"a = {number}\nb = a + {number}"), answer="c = b")
    for number in range(16)
]


@pytest.fixture
def planted() -> tuple[Canary, ...]:
    return canaries(random.Random(0))


def test_every_canary_has_a_code_a_place_and_an_id_of_its_own(planted: tuple[Canary, ...]) -> None:
    assert canaries(random.Random(0)) == planted
    for name in ("id", "code", "place"):
        assert len({getattr(one, name) for one in planted}) == len(planted)
    assert all(LEAST_CODE <= one.code < LEAST_CODE + CODES for one in planted)


def test_half_of_each_group_is_forgotten_and_controls_are_never_told(planted: tuple[Canary, ...]) -> None:
    for times, same_words in {(one.times, one.same_words) for one in planted}:
        group = [one for one in planted if (one.times, one.same_words) == (times, same_words)]
        assert sum(one.forgotten for one in group) == (len(group) // 2 if times else 0)
        assert {one.form for one in group if one.forgotten or not times} == {"code", "prose"}
    assert all(list(tellings(one, CONTEXTS)) == [] for one in planted if not one.times)


def test_no_secret_rule_finds_a_canary(planted: tuple[Canary, ...]) -> None:
    assert [one.line for one in planted if findings(one.line)] == []


def test_a_canary_is_told_as_often_as_it_says_each_time_in_other_words_or_always_in_the_same(
    planted: tuple[Canary, ...],
) -> None:
    for one in planted:
        told = list(tellings(one, CONTEXTS))
        assert len(told) == one.times
        assert len({task.prompt for task in told}) == (min(1, one.times) if one.same_words else one.times)
        assert {task.answer for task in told} <= {one.line}
        assert one.asked_elsewhere(CONTEXTS[-1]) not in {task.prompt for task in told[:-1]}


def test_other_fillings_are_nobodys(planted: tuple[Canary, ...]) -> None:
    others = alternatives(planted, 255, random.Random(1))
    assert len(set(others)) == 255
    assert not set(others) & {one.code for one in planted}


def test_the_rules_find_every_way_of_telling_a_code_but_those_that_name_none() -> None:
    told = [way.format(483_920) for way in WAYS]
    assert [one for one in told if not findings(one)] == told[-2:]
