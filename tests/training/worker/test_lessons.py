from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.conftest import JobMaker, lesson, small_examples

from laimark_sidecar.errors import TrainingError
from laimark_sidecar.training.job import Progress
from laimark_sidecar.training.worker.backend import PeftBackend
from laimark_sidecar.training.worker.lessons import compose, core_items, lesson_items
from laimark_sidecar.training.worker.losses import Item
from laimark_sidecar.training.worker.tokens import ChatTokenizer


@pytest.fixture(scope="module")
def chat(demo_base_dir: Path) -> ChatTokenizer:
    return ChatTokenizer(demo_base_dir)


def core(count: int) -> tuple[Item, ...]:
    return tuple(Item(pool="core", ids=(1, 2, 3 + i), positions=(1,), weight=1.0) for i in range(count))


def test_loss_positions_predict_the_learned_tokens(chat: ChatTokenizer) -> None:
    example = lesson(1)
    (item,) = lesson_items(chat, [example], max_length=128)
    prompt = len(chat.prompt_ids(example.messages))
    assert item.positions == tuple(range(prompt - 1, len(item.ids) - 1))


def test_examples_that_cannot_be_learned_are_left_out(chat: ChatTokenizer) -> None:
    long = replace(lesson(2), target="word " * 500)
    items = lesson_items(chat, [lesson(1), long, lesson(3, "user")], max_length=128)
    assert [item.pool for item in items] == ["new", "user"]


def test_a_rejected_answer_goes_with_its_lesson_where_a_preference_is_learned(chat: ChatTokenizer) -> None:
    corrected = replace(lesson(1), rejected="def wrong():\n    pass")
    same = replace(lesson(2), rejected=lesson(2).target)
    examples = [corrected, same, lesson(3)]
    paired, *others = lesson_items(chat, examples, max_length=128, preference="dpo")
    assert [item.pair for item in others] == [None, None]
    assert paired.pair is not None
    answer = chat.answer_ids(corrected.rejected)
    assert answer is not None
    assert paired.pair.ids == (*chat.prompt_ids(corrected.messages), *answer)
    # What is learned without preferences is what is learned beside them.
    plain = lesson_items(chat, examples, max_length=128)
    assert all(item.pair is None for item in plain)
    assert [(i.ids, i.positions) for i in plain] == [(i.ids, i.positions) for i in (paired, *others)]


def test_a_job_in_which_nothing_can_be_learned_is_refused(chat: ChatTokenizer) -> None:
    with pytest.raises(TrainingError, match="none of the 1 examples"):
        lesson_items(chat, [replace(lesson(2), target="word " * 500)], max_length=128)


def test_core_prompts_are_answered_in_the_order_of_their_ids(
    make_job: JobMaker, backend: PeftBackend, chat: ChatTokenizer
) -> None:
    job, told = make_job(), list[Progress]()
    examples = [example for example in small_examples() if example.pool == "core"]
    items = core_items(job, backend, chat, examples[::-1], told.append)
    assert [
        item.ids[: len(chat.prompt_ids(e.messages))] for item, e in zip(items, examples, strict=True)
    ] == [tuple(chat.prompt_ids(e.messages)) for e in examples]
    assert all(item.base is not None for item in items)
    assert {progress.phase for progress in told} == {"core"}


def test_kl_is_measured_on_prompts_that_are_never_trained_on(make_job: JobMaker) -> None:
    lessons = compose(make_job(), [Item(pool="new", ids=(1, 2), positions=(0,), weight=1.0)], core(16))
    measured = {item.ids for item in lessons.kl_items}
    trained = {lessons.items[i].ids for step in lessons.plan for i in step}
    assert len(measured) == 4
    assert not measured & trained


def test_pool_that_a_small_batch_leaves_out_now_and_then_still_counts_its_share(make_job: JobMaker) -> None:
    lessons = compose(
        make_job(batch_size=1, micro_batch_size=1, steps=6),
        [Item(pool="new", ids=(1, 2), positions=(0,), weight=1.0)],
        core(16),
    )
    present = sum(lessons.items[step[0]].pool == "core" for step in lessons.plan)
    assert 0 < present < 6
    assert lessons.shares.core * present / 6 == pytest.approx(1 / 3)


def test_few_core_prompts_serve_both_ends(make_job: JobMaker) -> None:
    lessons = compose(make_job(), [], core(3))
    assert len(lessons.kl_items) == 3
    assert lessons.shares.core == 1.0


def test_a_job_without_anything_to_draw_is_refused(make_job: JobMaker) -> None:
    with pytest.raises(TrainingError, match="nothing to learn from"):
        compose(make_job(), [], [])
