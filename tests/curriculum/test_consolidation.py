from __future__ import annotations

from dataclasses import replace

import pytest

from laimark_sidecar.curriculum.consolidation import (
    MOST_TIMES,
    OVER_BUDGET,
    REST,
    Course,
    consolidation_steps,
    reason_to_begin_anew,
    reason_to_consolidate,
)

CALM = Course(versions=3, kl=0.05, tainted=False, over_budget=0, since_refused=None)


def reason(course: Course, *, every: int = 50) -> str:
    return reason_to_consolidate(course, every=every, kl_alarm=0.3)


def test_a_calm_course_goes_on() -> None:
    assert reason(CALM) == ""


@pytest.mark.parametrize(
    ("course", "said"),
    [
        (replace(CALM, versions=50), "50 versions have grown"),
        (replace(CALM, kl=0.31), "0.310 nats/token away"),
        (replace(CALM, tainted=True), "forgotten"),
        (replace(CALM, over_budget=OVER_BUDGET), "the base would have lost"),
    ],
)
def test_each_trigger_says_what_it_saw(course: Course, said: str) -> None:
    assert said in reason(course)


@pytest.mark.parametrize(
    "course",
    [
        replace(CALM, versions=49),
        replace(CALM, kl=0.3),
        replace(CALM, over_budget=OVER_BUDGET - 1),
    ],
)
def test_just_below_a_trigger_goes_on(course: Course) -> None:
    assert reason(course) == ""


@pytest.mark.parametrize(("since", "asks"), [(0, False), (REST - 1, False), (REST, True)])
def test_a_refused_one_is_not_tried_again_at_once(since: int, asks: bool) -> None:
    assert bool(reason(replace(CALM, tainted=True, since_refused=since))) is asks


def test_nothing_asks_where_it_is_switched_off_or_the_base_serves() -> None:
    worst = replace(CALM, versions=99, kl=9.0, tainted=True, over_budget=9)
    assert reason(worst, every=0) == ""
    assert reason(replace(worst, versions=0)) == ""


def test_nothing_grows_on_an_adapter_of_another_kind() -> None:
    assert "of the kind lora, and the next is to be dora" in reason_to_begin_anew("lora", "dora")
    assert reason_to_begin_anew("dora", "dora") == reason_to_begin_anew("", "dora") == ""


@pytest.mark.parametrize(("lessons", "steps"), [(0, 60), (60, 60), (600, 100), (10**6, 60 * MOST_TIMES)])
def test_each_lesson_comes_once_within_bounds(lessons: int, steps: int) -> None:
    assert consolidation_steps(lessons, batch_size=8, share=0.75, least=60) == steps
