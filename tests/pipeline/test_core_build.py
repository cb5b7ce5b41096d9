from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import correction, exchange, opened, record, silent, take_in

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import DataError
from laimark_sidecar.experience.candidate import split_of
from laimark_sidecar.files import make_dir, write_atomic
from laimark_sidecar.journal.exchange import Exchange, Message
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.core import load_core
from laimark_sidecar.pipeline.core_build import build, choose, counted, drop_prompts, shipped
from laimark_sidecar.pipeline.doomed import Wish, doomed
from laimark_sidecar.pipeline.forget import forget
from laimark_sidecar.pipeline.workshop import Workshop

TIME_S = 1_793_000_000.0


def question(text: str, *, source: str = "embedded", number: int = 0) -> Exchange:
    asked = exchange((Message(role="user", content=text),), "An answer.", TIME_S + number)
    return replace(asked, source=source, id=f"{abs(hash((text, source))):032x}"[:32])


def said(home: Home, *records: Exchange) -> None:
    with JournalWriter(home.journal, clock=SystemClock()) as writer:
        for one in records:
            writer.append(one)


def teachable(count: int, *, share: float) -> list[str]:
    """Return questions whose conversations would not judge."""
    texts = (f"What is the sum of {number} and the rest of it?" for number in range(10 * count))
    fit = [t for t in texts if split_of((Message(role="user", content=t),), share) == "train"]
    return fit[:count]


@pytest.fixture
def asked(ready_home: Home) -> tuple[Workshop, list[str]]:
    """A home whose user has asked some things that taught nothing."""
    workshop = opened(ready_home)
    texts = teachable(12, share=workshop.config.replay.heldout_share)
    said(ready_home, *(question(text, number=number) for number, text in enumerate(texts)))
    take_in(workshop)
    return workshop, texts


def test_the_shipped_prompts_are_different_and_enough_to_judge_by() -> None:
    found = counted(shipped())
    assert len({one.prompt for one in shipped()}) == found.shipped == len(shipped())
    assert found.screen >= 40
    assert len(found.by_language) >= 6
    assert len(found.by_domain) >= 8


def test_first_questions_that_taught_nothing_are_taken(asked: tuple[Workshop, list[str]]) -> None:
    workshop, texts = asked
    own = {one.prompt for one in choose(workshop, most_own=200) if one.record}
    assert own == set(texts)
    assert not any(one.record for one in choose(workshop, most_own=0))


def test_what_taught_judges_holds_a_secret_or_is_a_stranger_s_is_not_taken(
    ready_home: Home, asked: tuple[Workshop, list[str]]
) -> None:
    workshop, texts = asked
    share = workshop.config.replay.heldout_share
    texts_that_judge = (f"Judge the {number} of this" for number in range(100))
    judging = next(
        text
        for text in texts_that_judge
        if split_of((Message(role="user", content=text),), share) == "heldout"
    )
    first, _ = correction(1)  # its conversation brought a lesson
    longer = exchange(
        (
            Message(role="user", content="Hello to you"),
            Message(role="assistant", content="Hi"),
            Message(role="user", content="And what now?"),
        ),
        "Nothing.",
        TIME_S + 900,
    )
    said(
        ready_home,
        question(judging, number=100),
        question("My password is hunter2-Xk29!vQz, what is the weather?", number=101),
        question("What does a stranger want of this?", source="somebody", number=102),
        question("x" * 2000, number=103),
        replace(first, time_s=TIME_S + 104),
        longer,
    )
    assert {one.prompt for one in choose(workshop, most_own=200) if one.record} == set(texts)


def test_the_base_s_own_answers_are_what_judges_and_the_set_is_in_force(
    asked: tuple[Workshop, list[str]],
) -> None:
    workshop, texts = asked
    prompts = choose(workshop, most_own=200)
    path = build(workshop, prompts, report=silent)
    tasks = load_core(workshop.base)
    assert path == workshop.base.cache / "core.jsonl"
    assert {task.id for task in tasks} <= {one.id for one in prompts}
    assert all(task.reference.strip() for task in tasks if task.split == "screen")
    assert all(task.reference == "" for task in tasks if task.split == "train")
    assert set(texts) >= {task.messages[-1].content for task in tasks if task.record} != set()


def test_a_base_that_answers_too_little_keeps_its_core_set(asked: tuple[Workshop, list[str]]) -> None:
    workshop, _ = asked
    before = load_core(workshop.base)
    with pytest.raises(DataError, match="20 are needed"):
        build(workshop, shipped()[:20], report=silent)
    assert load_core(workshop.base) == before


def test_what_is_forgotten_leaves_the_core_set_and_the_answers_to_it(
    asked: tuple[Workshop, list[str]],
) -> None:
    workshop, _ = asked
    build(workshop, choose(workshop, most_own=200), report=silent)
    cached = workshop.base.cache / "core-answers" / "one.safetensors"
    make_dir(cached.parent)
    write_atomic(cached, b"an answer")
    with workshop.store() as store:
        found = doomed(workshop, store, Wish(since_s=TIME_S, until_s=TIME_S + 50))
    forget(workshop, found)
    assert not any(task.record for task in load_core(workshop.base))
    assert len(load_core(workshop.base)) > 100
    assert not cached.exists()


def test_what_is_forgotten_while_the_base_is_asked_is_left_out(asked: tuple[Workshop, list[str]]) -> None:
    workshop, _ = asked
    prompts = choose(workshop, most_own=200)
    with workshop.store() as store:
        found = doomed(workshop, store, Wish(since_s=TIME_S, until_s=TIME_S + 50))
    forget(workshop, found)
    build(workshop, prompts, report=silent)
    assert not any(task.record for task in load_core(workshop.base))


def test_without_a_core_set_of_ours_there_is_nothing_to_drop(ready_home: Home) -> None:
    record(ready_home, range(100, 101))
    assert drop_prompts(ready_home, frozenset({"a"})) == 0
