from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.replay.examples import HandClock, make_answer, make_item, make_items

from laimark_sidecar.replay.store import ReplayStore


def test_a_forgotten_item_does_not_come_back(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], make_items(1, 2))
    assert store.oblivion.remove(["item-000001"]) == 1
    assert store.ingest("a", b"2", [], make_items(1)).duplicate == 1
    assert [item.id for item in store.items()] == ["item-000002"]


def test_an_item_not_held_is_forgotten_in_advance(store: ReplayStore) -> None:
    assert store.oblivion.remove(["item-000001"]) == 0
    assert store.ingest("a", b"1", [], make_items(1)).added == 0
    assert store.stats().removed == 1


def test_forgetting_twice_is_forgetting_once(store: ReplayStore) -> None:
    store.ingest("a", b"1", [], make_items(1))
    assert [store.oblivion.remove(["item-000001"]), store.oblivion.remove(["item-000001"])] == [1, 0]
    assert store.check() == ()


def test_the_answers_that_the_item_was_made_from_go_too(store: ReplayStore) -> None:
    item = make_item(1, exchange_ids=("exchange-000007", "exchange-000008"))
    store.ingest("a", b"1", [make_answer(number) for number in (7, 8, 9)], [item])
    store.oblivion.remove([item.id])
    assert [answer.exchange_id for answer in store.answers("prefix")] == ["exchange-000009"]


def test_nothing_of_the_text_stays_in_the_files(path: Path, clock: HandClock) -> None:
    secret = "correct horse battery staple"
    with ReplayStore.open(path, clock=clock) as store:
        items = [*make_items(*range(2, 40)), make_item(1, prompt=secret, target=f"{secret} {'long ' * 3000}")]
        items[-1] = replace(items[-1], rejected=f"{'long ' * 3000} {secret}")
        store.ingest("a", b"1", [make_answer(1)], items)
        assert any(secret.encode() in file.read_bytes() for file in path.parent.iterdir())
        store.oblivion.remove(["item-000001"])
        assert not any(secret.encode() in file.read_bytes() for file in path.parent.iterdir())


def test_forgetting_survives_closing(path: Path, clock: HandClock) -> None:
    with ReplayStore.open(path, clock=clock) as store:
        store.ingest("a", b"1", [], make_items(1))
        store.oblivion.remove(["item-000001"])
    with ReplayStore.open(path, clock=clock) as again:
        assert again.get("item-000001") is None
        assert again.ingest("a", b"2", [], make_items(1)).added == 0
