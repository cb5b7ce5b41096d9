"""Retention against oracles: the k smallest keys of all ever seen, and the chi-square distribution."""

from __future__ import annotations

import random
import sqlite3

import pytest

from laimark_sidecar.replay.retention import delete_items, evict, random_key, reservoir_places

_BANDS = bytes(64)


def add(
    connection: sqlite3.Connection,
    number: int,
    *,
    salt: str = "salt",
    split: str = "train",
    month: str = "2026-11",
    cycle: str | None = "cycle",
    priority: float | None = 0.0,
) -> int:
    key = ("heldout", "", "", "") if split == "heldout" else ("train", "edit", "text", month)
    connection.execute(
        """INSERT OR IGNORE INTO strata (source, split, signal, domain, month, worth)
        VALUES ('journal', ?, ?, ?, ?, 1)""",
        key,
    )
    query = "SELECT stratum_id FROM strata WHERE split = ? AND month = ?"
    stratum_id = connection.execute(query, (key[0], key[3])).fetchone()[0]
    item_key = random_key(f"item-{number}", salt)
    connection.execute(
        """INSERT INTO items (seq, id, stratum_id, split, signal, domain, month, source, weight, time_s, added_s,
            random_key, cycle, priority) VALUES (?, ?, ?, ?, 'edit', 'text', ?, 'journal', 1.0, 0, 0, ?, ?, ?)""",
        (number, f"item-{number}", stratum_id, split, month, item_key, cycle, priority),
    )
    connection.execute("INSERT INTO contents VALUES (?, x'7b7d', x'', ?)", (number, _BANDS))
    return item_key


def held(connection: sqlite3.Connection) -> set[int]:
    return {row[0] for row in connection.execute("SELECT seq FROM items")}


def test_key_depends_on_id_and_salt_only() -> None:
    assert random_key("a", "s") == random_key("a", "s")
    assert len({random_key("a", "s"), random_key("b", "s"), random_key("a", "t")}) == 3


def test_held_out_reservoir_is_the_smallest_keys_of_all_ever_seen(connection: sqlite3.Connection) -> None:
    keys = {}
    rng = random.Random(0)
    number = 0
    while number < 300:
        for _ in range(rng.randrange(1, 20)):
            number += 1
            keys[number] = add(connection, number, split="heldout")
        evict(connection, capacity=100)
    assert held(connection) == set(sorted(keys, key=keys.__getitem__)[:15])


def test_held_out_reservoir_is_uniform_over_all_ever_seen(connection: sqlite3.Connection) -> None:
    # Oracle: each of 60 items should be among the 15 kept in a quarter of 400 runs; Pearson's chi-square with
    # 59 degrees of freedom exceeds 98.3 once in 1000 draws (its .999 quantile). Sampling without replacement
    # only makes the statistic smaller, by (1 - 15/60). Salts are fixed, so this never flickers.
    seen, kept, runs = 60, 15, 400
    counts = [0] * seen
    for run in range(runs):
        connection.execute("BEGIN")
        for number in range(seen):
            add(connection, number, salt=f"run-{run}", split="heldout")
            if number % 7 == 0:
                evict(connection, capacity=100)
        evict(connection, capacity=100)
        for number in held(connection):
            counts[number] += 1
        connection.execute("ROLLBACK")
    expected = runs * kept / seen
    chi_square = sum((count - expected) ** 2 for count in counts) / expected
    assert sum(counts) == runs * kept
    assert 15 < chi_square / (1 - kept / seen) < 98.3


def test_reservoir_half_stays_uniform_when_its_quota_falls_and_rises_again(
    connection: sqlite3.Connection,
) -> None:
    # Oracle: an item of the reservoir half is one of all ever seen whose key is below the stratum's threshold.
    keys = {number: add(connection, number) for number in range(1, 201)}
    evict(connection, capacity=100)
    for number in range(1001, 1200):
        add(connection, number, month="2026-12")
    evict(connection, capacity=100)  # two strata: November's quota falls from 85 to 42
    delete_items(connection, [number for number in held(connection) if number > 1000])
    keys |= {number: add(connection, number) for number in range(201, 400)}
    evict(connection, capacity=100)  # November's quota is 85 again
    threshold = connection.execute("SELECT threshold FROM strata WHERE month = '2026-11'").fetchone()[0]
    reservoir = {number for number, key in keys.items() if key < threshold}
    assert len(held(connection)) == 85
    assert 15 < len(reservoir) <= 43
    assert reservoir <= held(connection)


def test_priority_half_keeps_the_highest_priorities(connection: sqlite3.Connection) -> None:
    keys = {number: add(connection, number, priority=number / 1000) for number in range(1, 201)}
    evict(connection, capacity=100)
    reservoir = set(sorted(keys, key=keys.__getitem__)[: reservoir_places(85, heldout=False)])
    best_of_the_rest = sorted(set(keys) - reservoir)[-42:]
    assert held(connection) == reservoir | set(best_of_the_rest)


def test_a_lesson_never_trained_outranks_every_priority(connection: sqlite3.Connection) -> None:
    for number in range(1, 201):
        add(connection, number, priority=9.0)
    for number in range(201, 231):
        add(connection, number, cycle=None, priority=None)
    evict(connection, capacity=100)
    assert set(range(201, 231)) <= held(connection)


@pytest.mark.parametrize("quota", [0, 1, 2, 7])
def test_reservoir_takes_the_larger_half(quota: int) -> None:
    assert reservoir_places(quota, heldout=False) == (quota + 1) // 2
    assert reservoir_places(quota, heldout=True) == quota


def test_nothing_is_evicted_below_capacity(connection: sqlite3.Connection) -> None:
    for number in range(1, 86):
        add(connection, number)
    assert evict(connection, capacity=100) == 0


def test_evict_says_how_many_went(connection: sqlite3.Connection) -> None:
    for number in range(1, 101):
        add(connection, number)
    assert evict(connection, capacity=100) == 15
    assert connection.execute("SELECT sum(held) FROM strata").fetchone()[0] == 85
