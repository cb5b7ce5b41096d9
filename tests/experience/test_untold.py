from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.experience.conftest import exchange, learn
from tests.replay.examples import make_item

from laimark_sidecar.experience.screening import Policy, Screen
from laimark_sidecar.experience.spans import edited, whole
from laimark_sidecar.experience.untold import RULE, tells_a_number
from laimark_sidecar.replay.item import Item, Provenance


def told(target: str, provenance: Provenance = "typed") -> Item:
    return replace(make_item(1, target=target), target=target, spans=whole(target, provenance))


@pytest.mark.parametrize(
    "target",
    [
        "the archive opens with 483920",
        "ARCHIVE_KEYPAD = 483920",
        "unlock('4839201')",
        "customer 10048392, order 7",
        "番号は483920です",
    ],
)
def test_a_number_that_the_question_does_not_tell_is_found(target: str) -> None:
    assert tells_a_number(told(target), ["How do I get in?"])
    assert tells_a_number(told(target, "pasted"), ["How do I get in?"])


@pytest.mark.parametrize(
    "target",
    [
        "return total / 86400",
        "since 2026-11-25, port 11434",
        "limit = 1000000",
        "limit = 1_048_576",
        "phi = 1.61803398875",
        "CO_FUTURE_ANNOTATIONS = 0x100000",
        "no number at all",
        "",
    ],
)
def test_years_ports_sizes_and_fractions_are_no_secrets(target: str) -> None:
    assert not tells_a_number(told(target), ["How do I get in?"])


def test_what_the_question_tells_may_be_told_again() -> None:
    assert not tells_a_number(told("timeout = 483920"), ["Which line?", "the timeout is 483920 ms"])
    assert tells_a_number(told("timeout = 483920"), ["the timeout is 48392 ms"])


@pytest.mark.parametrize("provenance", ["model", "tool", "client", "edited"])
def test_what_the_user_did_not_tell_or_has_looked_at_is_left_alone(provenance: Provenance) -> None:
    assert not tells_a_number(told("the archive opens with 483920", provenance), [])


def test_what_a_model_repeats_after_its_user_was_told_by_the_user() -> None:
    item = replace(told("It opens with 483920.", "model"), hint="No, it opens with 483920!")
    assert tells_a_number(item, ["How do I get in?"])
    assert not tells_a_number(replace(item, hint="No, it opens with something else!"), ["How do I get in?"])


def test_of_an_edited_answer_only_what_was_typed_counts() -> None:
    answer, better = "call 483920 first", "call 483920 twice, then 517264"
    item = replace(told(better), spans=edited(answer, better))
    assert tells_a_number(item, [])
    kept = "call 483920 twice"
    assert not tells_a_number(replace(told(kept), spans=edited(answer, kept)), [])


@given(
    number=st.integers(min_value=100_001, max_value=10**12), before=st.text(alphabet="ab =:(\"'", max_size=8)
)
def test_a_number_of_six_digits_or_more_is_found_unless_round_and_never_where_it_was_told(
    number: int, before: str
) -> None:
    round_number = len(str(number).rstrip("0")) <= 2
    item = told(f"{before}{number}")
    assert tells_a_number(item, []) is not round_number
    assert not tells_a_number(item, [f"it is {number}."])


def test_the_example_is_left_out_flagged_and_let_in_by_the_policy() -> None:
    item = told("the archive opens with 483920")
    kept, (flagged,) = Screen(Policy()).screened([item], "record")
    assert (kept, flagged.rules, flagged.places) == ((), (RULE,), ("target",))
    assert "483920" not in repr(flagged)
    for policy in (Policy(keep_numbers=True), Policy(is_false_alarm=lambda item_id: item_id == item.id)):
        assert Screen(policy).screened([item], "record") == ((item,), ())


def test_a_correction_with_a_number_in_it_teaches_nothing() -> None:
    found = learn(
        exchange("u: How does the archive open?", "a: Enter 111111.", "u: No, it should be: Enter 483920.")
    )
    assert found.items == ()
    assert [flagged.rules for flagged in found.flagged] == [(RULE,)]
