from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.replay.quotas import Stratum, allot, heldout_capacity, quotas


def stratum(
    number: int,
    held: int,
    *,
    source: str = "journal",
    month: str = "2026-11",
    worth: bool = True,
    heldout: bool = False,
) -> Stratum:
    return Stratum(id=number, source=source, heldout=heldout, month=month, worth=worth, held=held)


def test_everything_fits_when_there_is_room() -> None:
    assert allot([3, 5, 2], 10) == (3, 5, 2)


def test_what_a_small_stratum_leaves_goes_to_the_others() -> None:
    assert allot([2, 100, 100], 30) == (2, 14, 14)


def test_places_that_do_not_divide_go_to_the_first() -> None:
    assert allot([9, 9, 9], 10) == (4, 3, 3)


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(0, 200))
def test_water_filling_agrees_with_giving_one_place_at_a_time(held: list[int], places: int) -> None:
    # Oracle: hand out places one by one, each to the least filled stratum that still wants one.
    given_out = [0] * len(held)
    for _ in range(places):
        wanting = [index for index in range(len(held)) if given_out[index] < held[index]]
        if not wanting:
            break
        given_out[min(wanting, key=given_out.__getitem__)] += 1
    assert allot(held, places) == tuple(given_out)


def test_held_out_items_have_their_own_fifteen_percent() -> None:
    result = quotas([stratum(1, 500, heldout=True), stratum(2, 500)], 100)
    assert result == {1: 15, 2: 85}


def test_a_tiny_buffer_still_has_a_place_for_a_held_out_item() -> None:
    assert heldout_capacity(2) == 1


def test_items_of_no_weight_only_get_what_the_others_leave() -> None:
    full = quotas([stratum(1, 500), stratum(2, 500, worth=False)], 100)
    roomy = quotas([stratum(1, 20), stratum(2, 500, worth=False)], 100)
    assert (full, roomy) == ({1: 85, 2: 0}, {1: 20, 2: 65})


def test_the_oldest_month_gives_way_when_there_are_more_strata_than_places() -> None:
    result = quotas([stratum(1, 9, month="2026-01"), stratum(2, 9, month="2026-02")], 2)
    assert result == {1: 0, 2: 1}


def test_a_source_that_invents_months_takes_nothing_from_another_one() -> None:
    own = [stratum(number, 50, month=f"2026-0{number}") for number in (1, 2)]
    flood = [stratum(number, 9, source="log", month=f"{number}-01") for number in range(1000, 2000)]
    result = quotas([*own, *flood], 200)
    assert [result[one.id] for one in own] == [42, 43]
    assert sum(result[one.id] for one in flood) == 85


def test_a_source_that_fills_the_judges_leaves_another_one_its_share() -> None:
    result = quotas([stratum(1, 10, heldout=True), stratum(2, 10_000, source="log", heldout=True)], 100)
    assert result == {1: 7, 2: 8}


@given(
    st.lists(
        st.builds(
            stratum,
            st.just(0),
            st.integers(1, 60),
            source=st.sampled_from("abc"),
            month=st.sampled_from(["2026-01", "2026-02"]),
            worth=st.booleans(),
            heldout=st.booleans(),
        ),
        max_size=12,
    ),
    st.integers(2, 200),
)
def test_no_stratum_gets_more_than_it_holds_and_all_places_are_used(
    made: list[Stratum], capacity: int
) -> None:
    strata = [replace(one, id=number) for number, one in enumerate(made)]
    result = quotas(strata, capacity)
    assert result.keys() == {one.id for one in strata}
    assert all(0 <= result[one.id] <= one.held for one in strata)
    own = heldout_capacity(capacity)
    for heldout, places in ((True, own), (False, capacity - own)):
        held = sum(one.held for one in strata if one.heldout == heldout)
        assert sum(result[one.id] for one in strata if one.heldout == heldout) == min(held, places)
