from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.replay.examples import DAY_S, NOVEMBER_S, HandClock, make_answer, make_item, make_items

from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.store import ReplayStore


def numbers(items: tuple[Item, ...]) -> list[int]:
    return [int(item.id.removeprefix("item-")) for item in items]


def test_an_item_comes_back_as_it_went_in(store: ReplayStore) -> None:
    item = make_item(1, target="def f():\n\treturn 'ü\0'\r\n")
    store.ingest("a", b"1", [], [item])
    assert store.get(item.id) == item
    assert store.get("unknown") is None


def test_a_cursor_is_kept_byte_for_byte_for_each_source(store: ReplayStore) -> None:
    store.ingest("a", b"\x00\xff", [], [])
    assert (store.cursor("a"), store.cursor("b")) == (b"\x00\xff", None)


def test_answers_to_one_prompt_come_oldest_first(store: ReplayStore) -> None:
    late, early, other = (
        make_answer(1, time_s=9.0),
        make_answer(2, time_s=5.0),
        make_answer(3, prefix="other"),
    )
    store.ingest("a", b"1", [late, early, other], [])
    assert store.answers("prefix") == (early, late)
    assert store.answers("unknown") == ()


def test_items_can_be_filtered(store: ReplayStore) -> None:
    store.ingest(
        "a", b"1", [], (*make_items(1, 2), *make_items(3, split="heldout"), *make_items(4, signal="kept"))
    )
    store.mark_trained(["item-000002"], "cycle-1")
    assert numbers(tuple(store.items(split="heldout"))) == [3]
    assert numbers(tuple(store.items(signal="kept"))) == [4]
    assert numbers(tuple(store.items(trained=True))) == [2]
    assert numbers(tuple(store.items(trained=False, split="train"))) == [1, 4]


def test_items_go_on_behind_a_page(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], make_items(*range(10)))
    first = tuple(store.items(limit=4))
    assert numbers(tuple(store.items(after=first[-1].id, limit=3))) == [4, 5, 6]
    assert tuple(store.items(limit=0)) == ()


def test_newest_that_match_come_oldest_first(store: ReplayStore) -> None:
    for number in range(5):
        store.ingest("a", b"1", [], make_items(number, split="train" if number in (2, 4) else "heldout"))
    held = [0, 1, 3]
    for newest in (0, 1, 2, 3, 4):
        found = numbers(tuple(store.items(split="heldout", newest=newest)))
        assert found == held[len(held) - min(newest, 3) :]
    assert numbers(tuple(store.items(newest=3, limit=2))) == [2, 3]
    assert numbers(tuple(store.items(newest=3, after="item-000003"))) == [4]


def test_more_items_than_a_page_come_once_each(path: Path, clock: HandClock) -> None:
    with ReplayStore.open(path, clock=clock) as store:
        store.ingest("a", b"1", [], make_items(*range(600)))
        assert numbers(tuple(store.items())) == list(range(600))


def test_going_on_behind_an_item_that_is_not_held_is_an_error(store: ReplayStore) -> None:
    with pytest.raises(DataError, match="'gone' is not in the replay buffer"):
        next(store.items(after="gone"))


def test_a_writer_may_write_between_two_pages(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], make_items(1, 2))
    reader = store.items()
    next(reader)
    store.oblivion.remove(["item-000002"])
    assert store.stats().items == 1


def test_new_lessons_are_untrained_of_weight_and_in_order_of_arrival(store: ReplayStore) -> None:
    items = [
        make_item(1, time_s=NOVEMBER_S + 9),
        make_item(2, time_s=NOVEMBER_S + 1),
        make_item(3, split="heldout"),
        make_item(4, signal="praise"),
        make_item(5),
    ]
    store.ingest("a", b"1", [], items)
    store.mark_trained(["item-000005"], "cycle-1")
    assert numbers(store.new_items(10)) == [1, 2]
    assert numbers(store.new_items(1)) == [1]


def test_quarantine_counts_from_arrival_whatever_time_the_log_claims(
    store: ReplayStore, clock: HandClock
) -> None:
    store.ingest("a", b"1", [], [make_item(1, time_s=0.0)])
    clock.time_s += DAY_S - 1
    assert store.new_items(10, quarantine_s=DAY_S) == ()
    clock.time_s += 1
    assert numbers(store.new_items(10, quarantine_s=DAY_S)) == [1]


def test_strangers_give_no_more_than_their_part_under_any_number_of_names(store: ReplayStore) -> None:
    flood = [make_item(number, source=f"web-{number}") for number in range(10)]
    own = [make_item(number, source="journal") for number in range(10, 15)]
    store.ingest("a", b"1", [], [*flood, *own])
    assert numbers(store.new_items(99, per_source=2)) == [0, 1]
    assert numbers(store.new_items(99, per_source=2, trusted=["journal"])) == [0, 1, 10, 11, 12, 13, 14]


def test_strangers_cannot_fill_the_set_that_judges(store: ReplayStore, clock: HandClock) -> None:
    own = [make_item(number, split="heldout", source="journal") for number in range(5)]
    store.ingest("a", b"1", [], [*own, make_item(5)])
    clock.time_s += DAY_S
    store.ingest(
        "b", b"1", [], [make_item(10 + n, split="heldout", source=f"web-{n}", time_s=0.0) for n in range(10)]
    )
    limits = {"quarantine_s": DAY_S, "trusted": ["journal"]}
    assert numbers(store.judges(99, per_source=2, **limits)) == [0, 1, 2, 3, 4]  # type: ignore[arg-type]
    clock.time_s += DAY_S
    assert numbers(store.judges(99, per_source=2, **limits)) == [0, 1, 2, 3, 4, 18, 19]  # type: ignore[arg-type]
    assert numbers(store.judges(4, per_source=2, **limits)) == [3, 4, 18, 19]  # type: ignore[arg-type]
    assert len(store.judges(99)) == 15


def test_only_wanted_judges_count_for_the_limits(store: ReplayStore) -> None:
    store.ingest(
        "a", b"1", [], [make_item(n, split="heldout", source="own" if n % 2 else "web") for n in range(12)]
    )

    def every_third(item: Item, _: bool) -> bool:
        return int(item.id[-6:]) % 3 == 0

    assert numbers(store.judges(99, keep=every_third)) == [0, 3, 6, 9]
    assert numbers(store.judges(3, keep=every_third)) == [3, 6, 9]
    assert numbers(store.judges(99, keep=every_third, per_source=1, trusted=["own"])) == [3, 6, 9]


def test_a_body_that_cannot_be_read_is_a_state_error(store: ReplayStore, path: Path) -> None:
    store.ingest("a", b"1", [], make_items(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE contents SET body = x'00'")
    with pytest.raises(StateError, match="cannot be read"):
        store.get("item-000001")
    assert store.stats().items == 1
