from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.replay.examples import HandClock, make_item, words

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.replay.item import Signal, Split
from laimark_sidecar.replay.near_duplicates import MAX_COPIES, lesson_signature, lesson_text
from laimark_sidecar.replay.store import ReplayStore


def ingest(store: ReplayStore, *targets: str, split: Split = "train", start: int = 0) -> tuple[int, int]:
    items = [
        make_item(start + number, target=target, prompt="same request", split=split)
        for number, target in enumerate(targets)
    ]
    counts = store.ingest("test", b"", [], items)
    return counts.added, counts.near_duplicate


def test_the_fourth_near_copy_is_left_out(store: ReplayStore) -> None:
    text = words(0, 120)
    copies = [f"{text} ending{number}" for number in range(6)]
    assert ingest(store, *copies) == (MAX_COPIES, 3)


def test_a_stronger_signal_takes_the_place_of_the_weakest_copy(store: ReplayStore) -> None:
    text = words(0, 120)
    signals: tuple[Signal, ...] = ("kept", "accept", "kept", "correction", "accept")
    items = [
        make_item(n, target=f"{text} e{n}", prompt="same", signal=signal) for n, signal in enumerate(signals)
    ]
    counts = store.ingest("test", b"", [], items)
    assert (counts.added, counts.evicted, counts.near_duplicate) == (4, 1, 1)
    assert [item.id for item in store.items()] == ["item-000000", "item-000002", "item-000003"]
    assert store.check() == ()


def test_different_targets_to_one_request_are_different_lessons(store: ReplayStore) -> None:
    assert ingest(store, *(words(seed, 60) for seed in range(6))) == (6, 0)


def test_a_place_is_free_again_when_a_copy_is_forgotten(store: ReplayStore) -> None:
    text = words(0, 120)
    ingest(store, *(f"{text} ending{number}" for number in range(3)))
    store.oblivion.remove(["item-000001"])
    assert ingest(store, f"{text} ending9", start=9) == (1, 0)


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_each_split_counts_its_own_copies(store: ReplayStore, split: Split) -> None:
    text = words(0, 120)
    ingest(store, *(f"{text} ending{number}" for number in range(3)), split="train")
    expected = (0, 1) if split == "train" else (1, 0)
    assert ingest(store, f"{text} ending9", split=split, start=9) == expected


def test_the_history_before_the_request_does_not_count() -> None:
    item = make_item(1)
    longer = replace(item, messages=(Message(role="system", content=words(5)), *item.messages))
    assert lesson_signature(item) == lesson_signature(longer)
    assert lesson_text(longer).startswith("request 1")


def test_an_item_without_messages_has_a_signature() -> None:
    assert lesson_text(replace(make_item(1), messages=())).strip() == words(1)


def test_the_user_decides_how_many_copies_are_kept(path: Path, clock: HandClock) -> None:
    text = words(0, 120)
    with ReplayStore.open(path, clock=clock, max_copies=1) as store:
        assert ingest(store, *(f"{text} ending{number}" for number in range(3))) == (1, 2)
