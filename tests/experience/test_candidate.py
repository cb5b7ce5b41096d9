from __future__ import annotations

import pytest
from tests.experience.conftest import exchange, talk

from laimark_sidecar.experience.candidate import Candidate, admitted, item_id, split_of
from laimark_sidecar.experience.spans import whole
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.replay.item import Signal

EXCHANGE = exchange("u: q")


def candidate(
    *turns: str, target: str = "42", signal: Signal = "correction", hint: str = "No, 42"
) -> Candidate:
    messages = talk(*(turns or ("u: q",)))
    return Candidate(messages=messages, target=target, signal=signal, spans=whole(target, "typed"), hint=hint)


def test_a_candidate_becomes_an_item_with_weight_and_domain() -> None:
    (item,), dropped = admitted([candidate("u: q\n```py\nx\n```")], EXCHANGE, 0.0)
    assert (item.weight, item.domain, item.split, item.exchange_ids) == (
        1.0,
        "code:python",
        "train",
        (EXCHANGE.id,),
    )
    assert dropped == ()


@pytest.mark.parametrize("candidate", [candidate(target=" \n"), candidate("s: no user here")])
def test_an_empty_example_is_none(candidate: Candidate) -> None:
    items, dropped = admitted([candidate], EXCHANGE, 0.0)
    assert items == ()
    assert [one.reason for one in dropped] == ["empty"]


def test_the_strongest_signal_wins() -> None:
    (item,), _ = admitted([candidate(signal="accept"), candidate(), candidate(signal="kept")], EXCHANGE, 0.0)
    assert item.signal == "correction"


def test_the_id_is_of_prompt_and_target() -> None:
    one = item_id(talk("u: q"), "42")
    assert len(one) == 32
    assert one == item_id(talk("u: q"), "42")
    assert len({one, item_id(talk("u: p"), "42"), item_id(talk("u: q"), "43")}) == 3


def test_a_conversation_stands_on_one_side() -> None:
    for number in range(50):
        root = talk("s: be brief", f"u: question {number}")
        longer = (*root, *talk("a: x", "u: y"))
        assert split_of(root, 0.3) == split_of(longer, 0.3)


def test_the_share_of_conversations_is_held_out() -> None:
    sides = [split_of((Message(role="user", content=str(number)),), 0.15) for number in range(4000)]
    assert 500 <= sides.count("heldout") <= 700
    assert split_of(talk("u: q"), 0.0) == "train"
    assert split_of(talk("u: q"), 1.0) == "heldout"


def test_a_new_date_in_the_system_prompt_moves_no_conversation_to_the_other_side() -> None:
    asked = [Message(role="user", content=f"question {number}") for number in range(40)]
    sides = {
        day: [split_of((Message(role="system", content=f"It is {day}."), one), 0.5) for one in asked]
        for day in ("Monday", "Tuesday")
    }
    assert sides["Monday"] == sides["Tuesday"] == [split_of((one,), 0.5) for one in asked]
    assert {"train", "heldout"} == set(sides["Monday"])
