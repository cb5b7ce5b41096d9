from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.replay.examples import make_item

from laimark_sidecar.curriculum.compose import compose, replay_count
from laimark_sidecar.curriculum.lesson import Lesson, SourceLimits
from laimark_sidecar.errors import DataError
from laimark_sidecar.replay.item import Item, Span
from laimark_sidecar.replay.sampling import Drawn

LIMITS = SourceLimits(trusted=frozenset({"journal"}), items=64)


def items(*numbers: int, source: str = "journal") -> list[Item]:
    return [make_item(number, source=source) for number in numbers]


def drawn(*numbers: int, source: str = "journal", weight: float = 0.5) -> list[Drawn]:
    return [
        Drawn(item=item, probability=0.01, importance_weight=weight)
        for item in items(*numbers, source=source)
    ]


def cycle(
    new: Sequence[Item],
    replay: Sequence[Drawn] = (),
    *,
    limits: SourceLimits = LIMITS,
    seed: int = 0,
) -> tuple[Lesson, ...]:
    return compose(
        new=new,
        replay=replay,
        limits=limits,
        rng=random.Random(seed),
    )


def pools(lessons: Sequence[Lesson]) -> dict[str, int]:
    return dict(Counter(lesson.pool for lesson in lessons))


def test_one_past_lesson_goes_beside_two_new_ones() -> None:
    assert pools(cycle(items(*range(20)), drawn(*range(100, 200)))) == {"new": 20, "user": 10}
    assert [replay_count(count) for count in (0, 1, 2, 3)] == [0, 1, 1, 2]


def test_what_is_not_there_is_not_made_up() -> None:
    assert pools(cycle(items(*range(20)), drawn(100))) == {"new": 20, "user": 1}


def test_without_new_lessons_there_is_no_cycle() -> None:
    assert cycle([], drawn(1, 2, 3)) == ()


def test_equal_seeds_give_equal_cycles_in_mixed_order() -> None:
    new, replay = items(*range(20)), drawn(*range(100, 120))
    lessons = cycle(new, replay, seed=1)
    assert lessons == cycle(new, replay, seed=1)
    assert lessons != cycle(new, replay, seed=2)
    assert [lesson.pool for lesson in lessons] != sorted(lesson.pool for lesson in lessons)


def test_a_held_out_item_stops_everything() -> None:
    heldout = make_item(1, split="heldout")
    with pytest.raises(DataError, match="item-000001 is heldout"):
        cycle([make_item(2), heldout])
    with pytest.raises(DataError, match="item-000001 is heldout"):
        cycle([make_item(2)], [Drawn(item=heldout, probability=1.0, importance_weight=1.0)])


def test_a_held_out_item_stops_everything_even_without_weight() -> None:
    with pytest.raises(DataError):
        cycle([make_item(1, split="heldout", signal="praise")])


def test_weights_of_signal_and_draw_multiply() -> None:
    new = make_item(1, signal="kept")
    past = Drawn(item=make_item(2, signal="accept"), probability=0.1, importance_weight=0.4)
    weights = {lesson.id: lesson.weight for lesson in cycle([new], [past])}
    assert weights == pytest.approx({"item-000001": 0.8, "item-000002": 0.5 * 0.4})


def test_a_lesson_keeps_prompt_target_and_spans() -> None:
    item = make_item(1)
    (lesson,) = cycle([item])
    assert (lesson.messages, lesson.target, lesson.spans) == (item.messages, item.target, item.spans)


def spans(*parts: tuple[int, int, bool]) -> tuple[Span, ...]:
    return tuple(Span(start=start, end=end, provenance="typed", learn=learn) for start, end, learn in parts)


@pytest.mark.parametrize(
    "parts",
    [
        spans((0, 5, True)),
        spans((0, 4, True), (6, 10, True)),
        spans((0, 6, True), (5, 10, True)),
        spans((1, 10, True)),
        spans((0, 11, True)),
        spans((0, 8, True), (8, 6, False), (6, 10, True)),
        (),
    ],
    ids=["short", "gap", "overlap", "late", "beyond", "backwards", "none"],
)
def test_spans_that_do_not_cover_the_target_are_refused(parts: tuple[Span, ...]) -> None:
    with pytest.raises(DataError, match="spans of item item-000001 do not cover"):
        cycle([replace(make_item(1, target="0123456789"), spans=parts)])


def test_what_carries_no_loss_is_left_out() -> None:
    silent = replace(make_item(1, target="0123456789"), spans=spans((0, 10, False)))
    empty = replace(make_item(2, target="0123456789"), spans=spans((0, 0, True), (0, 10, False)))
    praised = make_item(3, signal="praise")
    partly = replace(make_item(4, target="0123456789"), spans=spans((0, 3, False), (3, 10, True)))
    assert [lesson.id for lesson in cycle([silent, empty, praised, partly])] == ["item-000004"]


def test_an_item_that_comes_twice_is_taken_once_as_new() -> None:
    lessons = cycle([*items(1, 2), *items(1)], drawn(2, 3, 3))
    assert sorted((lesson.id, lesson.pool) for lesson in lessons) == [
        ("item-000001", "new"),
        ("item-000002", "new"),
        ("item-000003", "user"),
    ]


def test_a_source_that_is_not_trusted_gets_five_percent_at_most() -> None:
    lessons = cycle([*items(*range(95)), *items(*range(100, 200), source="web")])
    web = [lesson for lesson in lessons if lesson.id >= "item-000100" and lesson.pool == "new"]
    assert 0 < len(web) <= 0.05 * len(lessons)
    assert min(lesson.id for lesson in web) == "item-000100"


def test_the_limit_counts_new_and_replay_together() -> None:
    new = [*items(*range(100)), *items(*range(1000, 1006), source="web")]
    lessons = cycle(new, drawn(*range(2000, 2040), source="web"))
    web = [lesson for lesson in lessons if lesson.id >= "item-001000"]
    assert len(web) <= 0.05 * len(lessons)


def test_the_next_drawn_take_the_place_of_what_a_limit_cuts() -> None:
    replay = [*drawn(*range(1000, 1010), source="web"), *drawn(*range(2000, 2010))]
    assert pools(cycle(items(*range(20)), replay))["user"] == 10


def test_no_more_than_the_fixed_number_of_a_source() -> None:
    new = [*items(*range(3000)), *items(*range(5000, 6000), source="web")]
    lessons = cycle(new)
    assert sum(lesson.id >= "item-005000" for lesson in lessons) == 64


def test_strangers_of_many_names_share_one_limit() -> None:
    flood = [make_item(1000 + number, source=f"name-{number}") for number in range(200)]
    lessons = cycle([*items(*range(95)), *flood])
    assert 0 < sum(lesson.id >= "item-001000" for lesson in lessons) <= 0.05 * len(lessons)


def test_a_stranger_alone_teaches_nothing() -> None:
    assert cycle(items(*range(50), source="web")) == ()


def test_a_source_can_be_trusted() -> None:
    limits = SourceLimits(trusted=frozenset({"web"}), items=64)
    assert pools(cycle(items(*range(10), source="web"), limits=limits))["new"] == 10


@given(
    st.lists(st.sampled_from(["journal", "web", "mail"]), max_size=80),
    st.lists(st.sampled_from(["journal", "web", "mail"]), max_size=80),
)
def test_whatever_comes_in_the_promises_hold(new_sources: list[str], replay_sources: list[str]) -> None:
    source_of = {
        f"item-{number:06}": source for number, source in enumerate([*new_sources, *(replay_sources)])
    }
    new = [make_item(number, source=source, target="t") for number, source in enumerate(new_sources)]
    replay = [
        Drawn(
            item=make_item(len(new_sources) + number, source=source, target="t"),
            probability=0.1,
            importance_weight=1.0,
        )
        for number, source in enumerate(replay_sources)
    ]
    lessons = cycle(new, replay)
    counts = Counter(source_of[lesson.id] for lesson in lessons)
    assert counts["web"] + counts["mail"] <= 0.05 * len(lessons)
    assert sum(
        lesson.pool == "new" and source_of[lesson.id] == "journal" for lesson in lessons
    ) == new_sources.count("journal")
    assert len({lesson.id for lesson in lessons}) == len(lessons)


def test_what_was_rejected_goes_with_new_and_past_lessons() -> None:
    new = [replace(one, rejected="new") for one in items(1, 2)]
    past = [replace(one, item=replace(one.item, rejected="past")) for one in drawn(3)]
    assert {lesson.pool: lesson.rejected for lesson in cycle(new, past)} == {"new": "new", "user": "past"}
