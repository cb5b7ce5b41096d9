from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from tests.experience.conftest import Memory, exchange, feedback, learn, talk

from laimark_sidecar.experience.batch import experience_of
from laimark_sidecar.experience.twins import TWIN_WITHIN_S, Accounts, pair_of
from laimark_sidecar.journal.exchange import Exchange, Message

ASK = "u: What is the capital of Switzerland?"


def recorded(*turns: str, answer: str, time_s: float = 1000.0) -> Exchange:
    return exchange(
        "s: Today is Monday.",
        *turns,
        answer=answer,
        time_s=time_s,
        source="gateway",
        adapter_version="me:1",
    )


def read(*turns: str, answer: str, time_s: float = 1002.0) -> Exchange:
    return exchange(*turns, answer=answer, time_s=time_s, source="open-webui")


def test_feedback_on_what_a_program_logged_joins_what_the_runner_was_sent() -> None:
    seen, logged = recorded(ASK, answer="Bern"), read(ASK, answer="Bern")
    (item,) = learn(seen, logged, feedback(logged, "accept")).items
    assert item.messages == talk("s: Today is Monday.", ASK)
    assert item.answered_by == "me:1"
    assert seen.id in item.exchange_ids
    assert item.source == "open-webui"  # whose word it is, and who is trusted as far as that


def test_a_correction_that_two_logs_hold_is_one_lesson() -> None:
    turns = (ASK, "a: Basel", "u: No, the right answer is Bern.")
    seen = [recorded(ASK, answer="Basel"), recorded(*turns, answer="Sorry.", time_s=1010.0)]
    logged = [read(ASK, answer="Basel"), read(*turns, answer="Sorry.", time_s=1012.0)]
    found = learn(*seen, *logged)
    assert len(found.items) == 1
    assert [one.reason for one in found.dropped] == ["twin", "twin"]
    assert found.items[0].answered_by == "me:1"


def test_own_output_that_a_program_logged_is_not_learned_for_being_kept() -> None:
    logs = [
        recorded(ASK, answer="Basel", time_s=1000.0),
        recorded(ASK, answer="Bern", time_s=1020.0),
        read(ASK, answer="Basel", time_s=1001.0),
        read(ASK, answer="Bern", time_s=1021.0),
        # This turn went past the gateway.
        read(ASK, "a: Bern", "u: And of France?", answer="Paris", time_s=1040.0),
    ]
    assert learn(*logs).items == ()
    assert [item.signal for item in learn(*logs[2:]).items] == ["kept"]


@pytest.mark.parametrize("apart_s", [TWIN_WITHIN_S + 1, -TWIN_WITHIN_S - 1])
def test_the_same_said_at_another_time_is_no_twin(apart_s: float) -> None:
    seen = recorded(ASK, answer="Bern", time_s=5000.0)
    logged = read(ASK, answer="Bern", time_s=5000.0 + apart_s)
    (item,) = learn(seen, logged, feedback(logged, "accept")).items
    assert item.answered_by == ""


def test_feedback_on_what_was_read_before_the_runner_s_account_moves_to_it() -> None:
    seen, logged = recorded(ASK, answer="Bern"), read(ASK, answer="Bern")
    found = learn(logged, feedback(logged, "accept"), seen)
    (item,) = found.items
    assert item == learn(seen, logged, feedback(logged, "accept")).items[0]
    assert [(one.exchange_id, one.version) for one in found.superseded] == [(logged.id, "me:1")]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_in_which_two_logs_are_read_changes_nothing(order: tuple[int, ...]) -> None:
    seen, logged = recorded(ASK, answer="Bern"), read(ASK, answer="Bern")
    records = (seen, logged, feedback(logged, "accept"))
    (item,) = learn(*(records[place] for place in order)).items
    assert item == learn(*records).items[0]


def test_feedback_of_an_earlier_batch_moves_to_the_runner_s_account() -> None:
    seen, logged = recorded(ASK, answer="Bern"), read(ASK, answer="Bern")
    first = learn(logged, feedback(logged, "edit", "Bern, of course."))
    memory = Memory(first.answered, [logged], first.items)
    found = experience_of([seen], memory, heldout_share=0.0)
    (item,) = found.items
    assert (item.target, item.signal, item.answered_by) == ("Bern, of course.", "edit", "me:1")
    assert item.rejected == "Bern"
    assert item.messages == talk("s: Today is Monday.", ASK)
    assert [one.exchange_id for one in found.superseded] == [logged.id]


def test_a_correction_read_before_the_runner_s_account_is_one_lesson_and_the_runner_s() -> None:
    turns = (ASK, "a: Basel", "u: No, the right answer is Bern.")
    logged = [read(ASK, answer="Basel"), read(*turns, answer="Sorry.", time_s=1012.0)]
    seen = [recorded(ASK, answer="Basel"), recorded(*turns, answer="Sorry.", time_s=1010.0)]
    assert learn(*logged, *seen).items == learn(*seen, *logged).items


def test_what_another_account_of_the_runner_is_nearer_to_stays_its() -> None:
    first, second = (recorded(ASK, answer="Bern", time_s=time_s) for time_s in (1000.0, 1300.0))
    logged = read(ASK, answer="Bern", time_s=1001.0)
    (item,) = learn(first, logged, feedback(logged, "accept"), second).items
    assert item.exchange_ids == (first.id,)
    assert learn(first, logged, second).superseded == ()


def test_accounts_know_the_twin_of_either_side_and_no_other() -> None:
    seen, logged = recorded(ASK, answer="Bern"), read(ASK, answer="Bern")
    for one, other in ((seen, logged), (logged, seen)):
        accounts = Accounts()
        accounts.add(one)
        assert accounts.hold_twin_of(other)
        assert not accounts.hold_twin_of(one)
        assert not accounts.hold_twin_of(replace(other, time_s=9000.0))
        assert not accounts.hold_twin_of(replace(other, answer="Basel"))


def test_two_exchanges_at_the_runner_are_two() -> None:
    again = [recorded(ASK, answer="Bern", time_s=time_s) for time_s in (1000.0, 1001.0)]
    assert learn(*again).dropped == ()


def test_trimming_does_not_part_twins_and_an_image_does() -> None:
    plain = read(ASK, answer="Bern")
    assert pair_of(plain) == pair_of(read(ASK + " \n", answer="<think>hm</think>\nBern\n"))
    shown = Message(role="user", content=ASK[3:], attachments=("0" * 64,))
    assert pair_of(plain) != pair_of(replace(plain, messages=(shown,)))
    assert pair_of(read(ASK, answer="")) == ""


def test_feedback_that_comes_before_its_exchange_waits_for_it() -> None:
    logged = read(ASK, answer="Bern")
    found = learn(feedback(logged, "accept"), logged)
    assert [item.target for item in found.items] == ["Bern"]
    assert (found.early, found.settled) == ((), ("f",))
    assert [one.id for one in learn(feedback(logged, "accept")).early] == ["f"]


def test_an_edit_with_a_secret_does_not_wait_in_the_buffer() -> None:
    logged = read(ASK, answer="Bern")
    assert learn(feedback(logged, "edit", "AKIAZQ3DRSTUVWXY2345 is the key")).early == ()
