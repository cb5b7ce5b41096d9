from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.support.homes import correction

from laimark_sidecar.experience.traces import LONG_PAIR_CHARS, is_known, shown, traces
from laimark_sidecar.journal.exchange import Exchange, Message
from laimark_sidecar.replay.trace import Trace

ROLES = st.sampled_from(["user", "assistant", "system", "tool"])
MESSAGES = st.lists(st.builds(Message, role=ROLES, content=st.text(max_size=30)), min_size=1, max_size=5)


def known_by(exchange: Exchange) -> dict[str, tuple[Trace, ...]]:
    found: dict[str, tuple[Trace, ...]] = {}
    for one in traces(exchange):
        found[one.hash] = (*found.get(one.hash, ()), one)
    return found


def made(messages: list[Message], answer: str) -> Exchange:
    return replace(correction(1)[0], messages=tuple(messages), answer=answer)


@given(MESSAGES, st.text(max_size=40))
def test_an_exchange_is_known_again_and_so_is_every_turn_after_it(
    messages: list[Message], answer: str
) -> None:
    exchange = made(messages, answer)
    later = replace(
        exchange,
        messages=(
            Message(role="system", content="It is Tuesday."),
            *exchange.messages,
            Message(role="assistant", content=answer),
            Message(role="user", content="and now?"),
        ),
        answer="Now this.",
        time_s=exchange.time_s + 1e6,
    )
    assert is_known(exchange, known_by(exchange))
    assert is_known(later, known_by(exchange))


@given(MESSAGES, st.text(max_size=40), MESSAGES, st.text(max_size=40))
def test_what_only_begins_alike_is_another_conversation(
    messages: list[Message], answer: str, more: list[Message], other: str
) -> None:
    forgotten = made([Message(role="user", content="first"), *messages], answer)
    here = replace(
        made([Message(role="user", content="second"), *more], other), time_s=forgotten.time_s + 5000
    )
    if not set(shown(here)) & {one.hash for one in traces(forgotten)}:
        assert not is_known(here, known_by(forgotten))


def test_a_short_pair_counts_only_about_its_time() -> None:
    greeting = made([Message(role="user", content="hi")], "Hello! How can I help?")
    elsewhere = replace(
        greeting,
        messages=(
            Message(role="user", content="something else"),
            Message(role="assistant", content="Yes?"),
            Message(role="user", content="hi"),
        ),
    )
    assert is_known(replace(elsewhere, time_s=greeting.time_s + 599), known_by(greeting))
    assert not is_known(replace(elsewhere, time_s=greeting.time_s + 601), known_by(greeting))


def test_a_long_pair_counts_at_any_time() -> None:
    long = made([Message(role="user", content="Where?")], "x" * LONG_PAIR_CHARS)
    elsewhere = replace(
        long,
        messages=(Message(role="user", content="a"), Message(role="assistant", content="b"), *long.messages),
        time_s=long.time_s + 1e7,
    )
    assert is_known(elsewhere, known_by(long))
