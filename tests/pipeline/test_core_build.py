from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from tests.support.homes import never, silent
from tests.support.questions import ALL_OF_THEM

from laimark_sidecar.curriculum.core_mix import CorePrompt
from laimark_sidecar.errors import DataError, LockedError
from laimark_sidecar.files import make_dir, write_atomic
from laimark_sidecar.pipeline.core import load_core
from laimark_sidecar.pipeline.core_build import build, choose, counted, shipped
from laimark_sidecar.pipeline.core_forget import asking, building
from laimark_sidecar.pipeline.doomed import doomed
from laimark_sidecar.pipeline.forget import forget
from laimark_sidecar.pipeline.stopping import Yielded
from laimark_sidecar.pipeline.workshop import Workshop

Asked = tuple[Workshop, list[str]]


def answered(prompts: tuple[CorePrompt, ...]) -> tuple[CorePrompt, ...]:
    """Return prompts of which none needs to be asked of the base: that takes its time."""
    return tuple(replace(one, reference="An answer.") if one.split == "screen" else one for one in prompts)


def test_the_shipped_prompts_are_different_and_enough_to_judge_by() -> None:
    found = counted(shipped())
    assert len({one.prompt for one in shipped()}) == len({one.id for one in shipped()}) == found.shipped
    assert 0.25 < found.screen / found.shipped < 0.35
    assert len(found.by_language) >= 8
    assert len(found.by_domain) >= 11


def test_every_domain_judges_and_is_replayed() -> None:
    both = Counter((one.domain, one.split) for one in shipped())
    assert all(both[one.domain, split] >= 2 for one in shipped() for split in ("train", "screen"))


def test_only_what_judges_is_shipped_with_an_answer() -> None:
    assert {one.split for one in shipped() if one.reference} == {"screen"}


def test_questions_of_the_user_s_are_taken_where_he_wants_it(asked_home: Asked) -> None:
    workshop, texts = asked_home
    own = {one.prompt for one in choose(workshop, most_own=200) if one.record}
    assert own == set(texts)
    assert not any(one.record for one in choose(workshop, most_own=0))


def test_answers_by_people_or_the_base_s_own_are_what_judges_and_the_set_is_in_force(
    asked_home: Asked,
) -> None:
    workshop, texts = asked_home
    prompts = choose(workshop, most_own=200)
    path = build(workshop, prompts, report=silent, should_stop=never)
    found = load_core(workshop.base)
    assert path == workshop.base.core == workshop.home.core / path.name
    assert {task.id for task in found.tasks} <= {one.id for one in prompts}
    assert all(task.reference.strip() for task in found.screen)
    assert all(task.reference == "" for task in found.tasks if task.split == "train")
    written = {one.id: one.reference for one in prompts if one.reference}
    assert {task.id: task.reference for task in found.screen if task.id in written} == written
    assert set(texts) >= {task.messages[-1].content for task in found.tasks if task.record} != set()
    assert not asking(workshop.home).exists()


def test_a_base_that_answers_too_little_keeps_its_core_set(asked_home: Asked) -> None:
    workshop, _ = asked_home
    before = load_core(workshop.base)
    with pytest.raises(DataError, match="20 are needed"):
        build(workshop, shipped()[:20], report=silent, should_stop=never)
    assert load_core(workshop.base) == before


def test_a_build_that_is_stopped_leaves_the_old_core_set_and_none_of_the_user_s_words(
    asked_home: Asked,
) -> None:
    workshop, _ = asked_home
    before = load_core(workshop.base)
    with pytest.raises(Yielded):
        build(workshop, choose(workshop, most_own=200), report=silent, should_stop=lambda: True)
    assert load_core(workshop.base) == before
    assert not asking(workshop.home).exists()


def test_two_builds_do_not_ask_at_once(asked_home: Asked) -> None:
    workshop, _ = asked_home
    with building(workshop.home), pytest.raises(LockedError):
        build(workshop, shipped(), report=silent, should_stop=never)


def test_what_is_forgotten_while_the_base_is_asked_is_left_out(asked_home: Asked) -> None:
    workshop, _ = asked_home
    prompts = choose(workshop, most_own=200)
    with workshop.store() as store:
        found = doomed(workshop, store, ALL_OF_THEM)
    forget(workshop, found)
    build(workshop, answered(prompts), report=silent, should_stop=never)
    assert not any(task.record for task in load_core(workshop.base).tasks)


def test_answers_to_what_is_no_longer_asked_do_not_outlive_it(asked_home: Asked) -> None:
    workshop, _ = asked_home
    prompts = answered(choose(workshop, most_own=200))
    cached = workshop.base.cache / "core-answers" / "one.safetensors"
    for chosen, kept in ((prompts, True), (prompts, True), (answered(shipped()), False)):
        make_dir(cached.parent)
        write_atomic(cached, b"an answer")
        build(workshop, chosen, report=silent, should_stop=never)
        assert cached.exists() == kept


def test_one_that_is_damaged_is_built_anew(asked_home: Asked) -> None:
    workshop, _ = asked_home
    make_dir(workshop.base.core.parent)
    write_atomic(workshop.base.core, b"torn {")
    build(workshop, answered(shipped()), report=silent, should_stop=never)
    assert len(load_core(workshop.base).tasks) == len(shipped())
