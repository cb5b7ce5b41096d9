from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.replay.examples import make_item

from laimark_sidecar.curriculum.judges import seated
from laimark_sidecar.curriculum.lesson import SourceLimits
from laimark_sidecar.replay.item import Item

LIMITS = SourceLimits(trusted=frozenset({"embedded"}), items=64)


def heldout(sources: Sequence[str]) -> list[Item]:
    return [replace(make_item(n, source=source), split="heldout") for n, source in enumerate(sources)]


def strangers(items: Sequence[Item]) -> list[str]:
    return [one.id for one in items if one.source not in LIMITS.trusted]


@pytest.mark.parametrize(
    ("trusted", "offered", "most"), [(0, 64, 0), (18, 64, 0), (19, 64, 1), (236, 64, 12), (285, 300, 15)]
)
def test_strangers_are_at_most_a_twentieth_of_the_judges(trusted: int, offered: int, most: int) -> None:
    found = seated(heldout(["embedded"] * trusted + ["stranger"] * offered), LIMITS)
    assert len(found) == trusted + most
    assert len(strangers(found)) == most


def test_a_name_for_each_line_is_no_way_round_the_limit() -> None:
    found = seated(heldout([*["embedded"] * 38, *(f"stranger-{n}" for n in range(50))]), LIMITS)
    assert len(strangers(found)) == 2


def test_the_newest_strangers_stay_and_the_order_is_kept() -> None:
    offered = heldout(["stranger", *["embedded"] * 10, "stranger", *["embedded"] * 9, "stranger"])
    found = seated(offered, LIMITS)
    assert found == tuple(one for one in offered if one.source == "embedded" or one is offered[-1])


def test_the_number_of_strangers_is_limited_too() -> None:
    few = SourceLimits(trusted=LIMITS.trusted, items=3)
    assert len(strangers(seated(heldout(["embedded"] * 200 + ["stranger"] * 20), few))) == 3


@given(st.lists(st.sampled_from(["embedded", "stranger"]), max_size=120))
def test_no_trusted_judge_is_lost_and_one_stranger_more_would_be_too_many(sources: list[str]) -> None:
    offered = heldout(sources)
    found = seated(offered, LIMITS)
    count = len(strangers(found))
    assert len(found) - count == sources.count("embedded")
    assert count <= LIMITS.share * len(found)
    assert count == len(strangers(offered)) or count + 1 > LIMITS.share * (len(found) + 1)
