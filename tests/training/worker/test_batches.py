from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.training.worker.batches import (
    Pool,
    Shares,
    draw,
    effective_shares,
    micro_batches,
    step_shares,
)

SHARES = Shares(new=0.5, user=0.25, core=0.25)
POOLS: list[Pool] = [*["new"] * 5, *["user"] * 3, *["core"] * 4]  # type: ignore[list-item] # literals


def test_each_step_holds_the_shares() -> None:
    for step in draw(POOLS, SHARES, steps=10, batch_size=8, seed=1):
        assert Counter(POOLS[i] for i in step) == {"new": 4, "user": 2, "core": 2}


def test_shares_that_do_not_divide_the_batch_hold_over_the_job() -> None:
    plan = draw(POOLS, SHARES, steps=40, batch_size=2, seed=1)
    assert Counter(POOLS[i] for step in plan for i in step) == {"new": 40, "user": 20, "core": 20}


def test_the_share_of_an_empty_pool_goes_to_the_others() -> None:
    shares = effective_shares(["new", "core"], SHARES)
    assert (shares.new, shares.user, shares.core) == pytest.approx((2 / 3, 0.0, 1 / 3))


def test_nothing_comes_twice_before_all_came_once() -> None:
    plan = draw(["new"] * 7, SHARES, steps=7, batch_size=2, seed=3)
    walked = [i for step in plan for i in step]
    assert sorted(walked[:7]) == sorted(walked[7:]) == list(range(7))


def test_the_plan_follows_from_the_seed_alone() -> None:
    def plan(seed: int) -> tuple[tuple[int, ...], ...]:
        return draw(POOLS, SHARES, steps=5, batch_size=8, seed=seed)

    assert plan(1) == plan(1)
    assert plan(1) != plan(2)


def test_a_longer_job_begins_like_a_shorter_one() -> None:
    long = draw(POOLS, SHARES, steps=9, batch_size=8, seed=1)
    assert long[:4] == draw(POOLS, SHARES, steps=4, batch_size=8, seed=1)


def test_pools_without_a_share_give_empty_steps() -> None:
    assert draw(["core"], Shares(new=1, user=0, core=0), steps=2, batch_size=4, seed=0) == ((), ())


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_each_pool_counts_its_share_over_the_job_however_small_the_batch(batch_size: int) -> None:
    plan = draw(POOLS, SHARES, steps=40, batch_size=batch_size, seed=1)
    weight = step_shares(POOLS, plan, SHARES)
    for pool in ("new", "user", "core"):
        present = sum(any(POOLS[i] == pool for i in step) for step in plan)
        assert present * weight.of(pool) / len(plan) == pytest.approx(SHARES.of(pool))
    if batch_size == 8:  # every pool is in every step: nothing is corrected, to the last bit
        assert weight == SHARES


def test_pool_that_no_step_holds_counts_nothing() -> None:
    assert step_shares(["new", "core"], [(0,), (0,)], SHARES) == Shares(new=0.5, user=0.0, core=0.0)


@given(st.lists(st.integers(1, 99), min_size=1, max_size=20), st.integers(1, 6))
def test_micro_batches_hold_every_index_once_longest_first(lengths: list[int], size: int) -> None:
    batches = micro_batches(range(len(lengths)), lengths, size=size)
    flat = [i for batch in batches for i in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[i] for i in flat] == sorted(lengths, reverse=True)
    assert all(len(batch) <= size for batch in batches)


@given(st.lists(st.tuples(st.integers(1, 99), st.integers(1, 2)), min_size=1, max_size=20), st.integers(1, 6))
def test_examples_of_two_sequences_take_two_places_and_are_never_parted(
    examples: list[tuple[int, int]], size: int
) -> None:
    lengths, widths = [length for length, _ in examples], [width for _, width in examples]
    batches = micro_batches(range(len(examples)), lengths, size=size, widths=widths)
    assert sorted(i for batch in batches for i in batch) == list(range(len(examples)))
    assert all(sum(widths[i] for i in batch) <= max(size, widths[batch[0]]) for batch in batches)
