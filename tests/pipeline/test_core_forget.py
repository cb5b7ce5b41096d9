from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.support.forgetting import add_version, files_with
from tests.support.homes import opened
from tests.support.questions import ALL_OF_THEM

from laimark_sidecar.decoding import NewerFormatError
from laimark_sidecar.files import make_dir, write_atomic
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.core import CoreTask, load_core, write_core
from laimark_sidecar.pipeline.core_build import choose
from laimark_sidecar.pipeline.core_forget import asked, asking, building, drop_prompts
from laimark_sidecar.pipeline.cycle import open_cycle
from laimark_sidecar.pipeline.doomed import Wish, doomed
from laimark_sidecar.pipeline.forget import carry_on, forget
from laimark_sidecar.pipeline.select import select
from laimark_sidecar.pipeline.taint import tainted
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.training.jobfile import read_examples

Asked = tuple[Workshop, list[str]]
OLD = "me:2026-11-20-aaaa"


@pytest.fixture
def built(asked_home: Asked) -> Asked:
    """The home with a core set of the user's questions, each with what was derived from it."""
    workshop, texts = asked_home
    make_dir(workshop.base.core.parent)
    tasks = [
        CoreTask(
            id=one.id,
            split=one.split,
            messages=(Message(role="user", content=one.prompt),),
            reference=f"The base's word on {one.prompt}" if one.split == "screen" else "",
            record=one.record,
        )
        for one in choose(workshop, most_own=200)
    ]
    write_core(workshop.base.core, tasks, made_s=1.0)
    for name in ("core-answers/one.safetensors", "core-anchor-input-0.safetensors"):
        make_dir((workshop.base.cache / name).parent)
        write_atomic(workshop.base.cache / name, b"derived")
    return workshop, texts


def derived(workshop: Workshop) -> list[Path]:
    cache = workshop.base.cache
    return [*cache.glob("core-answers/*"), *cache.glob("core-anchor-*")]


def forgets(workshop: Workshop, wish: Wish) -> None:
    with workshop.store() as store:
        found = doomed(workshop, store, wish)
    forget(workshop, found)


def test_what_is_forgotten_leaves_no_word_in_the_home_and_no_answer(built: Asked) -> None:
    workshop, texts = built
    before = len(load_core(workshop.base).tasks)
    forgets(workshop, ALL_OF_THEM)
    assert len(load_core(workshop.base).tasks) == before - len(texts)
    assert load_core(workshop.base).made_s == 1.0
    assert files_with(workshop.home.root, *texts) == []
    assert derived(workshop) == []


def test_forgetting_something_else_costs_no_answers(built: Asked) -> None:
    workshop, _ = built
    before = load_core(workshop.base)
    assert drop_prompts(workshop.home, frozenset({"somebody-else"})) == 0
    assert load_core(workshop.base) == before
    assert len(derived(workshop)) == 2


def test_a_question_whose_line_is_deleted_is_still_found_by_its_words(built: Asked) -> None:
    workshop, texts = built
    for segment in workshop.home.journal.glob("*.jsonl"):
        segment.unlink()  # as journal.keep_days does
    forgets(workshop, Wish(text=re.compile(re.escape(texts[0]))))
    assert {text for _, text in asked(workshop.home)} == set(texts[1:])
    record, text = next(asked(workshop.home))
    forgets(workshop, Wish(ids=(record[:12],)))
    assert text not in {left for _, left in asked(workshop.home)}


def test_an_open_cycle_that_replays_the_question_ends(built: Asked) -> None:
    workshop, texts = built
    cycle = open_cycle(workshop)
    write_core(
        workshop.base.core, [task for task in load_core(workshop.base).tasks if task.record], made_s=1.0
    )
    with workshop.store() as store:
        plan = select(workshop, store, cycle)
    assert plan.core_records
    replayed = [one for one in read_examples(cycle.examples) if one.pool == "core"]
    assert {one.messages[-1].content for one in replayed} <= set(texts)
    forgets(workshop, ALL_OF_THEM)
    closed = cycle.closed()
    assert closed is not None
    assert closed.ending == "abandoned"
    assert not cycle.examples.exists()


def test_a_version_that_replayed_the_question_is_tainted(built: Asked) -> None:
    workshop, _ = built
    record, _ = next(asked(workshop.home))
    add_version(workshop, OLD, core_records=[record])
    assert tainted(workshop) == frozenset()
    with workshop.store() as store:
        found = doomed(workshop, store, ALL_OF_THEM)
    assert found.versions == (OLD,)
    forget(workshop, found)
    assert tainted(workshop) == {OLD}


@pytest.mark.parametrize("content", [b"torn {", b"\xff\n", b'{"id": 1}\n'])
def test_a_core_set_that_nobody_can_read_goes_whole(built: Asked, content: bytes) -> None:
    workshop, _ = built
    write_atomic(workshop.base.core, content)
    forgets(workshop, ALL_OF_THEM)
    assert not workshop.base.core.exists()
    assert derived(workshop) == []
    assert load_core(workshop.base).tasks  # the one beside the base


def test_one_of_a_newer_program_is_left_to_it(built: Asked) -> None:
    workshop, _ = built
    write_atomic(workshop.base.core, b'{"core_set": 99}\n')
    with pytest.raises(NewerFormatError):
        drop_prompts(workshop.home, frozenset({"a"}))
    assert workshop.base.core.exists()


def test_what_a_killed_build_left_goes_and_what_one_at_work_asks_stays(ready_home: Home) -> None:
    left = asking(ready_home) / "1" / "job.json"

    def put() -> None:
        make_dir(left.parent)
        write_atomic(left, b"words")

    put()
    with building(ready_home):
        drop_prompts(ready_home, frozenset())
        assert left.exists()
    drop_prompts(ready_home, frozenset())
    assert not left.exists()


def test_dropping_is_done_again_after_a_crash_in_between(
    built: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop, texts = built
    with monkeypatch.context() as broken:
        broken.setattr("laimark_sidecar.pipeline.core_forget.write_core", full_disk)
        with pytest.raises(OSError, match="full"):
            forgets(workshop, ALL_OF_THEM)
    assert derived(workshop) == []
    assert len(list(asked(workshop.home))) == len(texts)
    assert carry_on(opened(workshop.home)).finished
    assert list(asked(workshop.home)) == []


def full_disk(*_: object, **__: object) -> None:
    raise OSError(28, "disk full")
