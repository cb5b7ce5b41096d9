"""What was forgotten is told again: by its next turn, by another program's log, by a client that shortens."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.support.forgetting import SECRET, TRACES, append, files_with
from tests.support.homes import IDIOM, correction, never, opened, take_in

from laimark_sidecar.journal.erasing import Erased, erase
from laimark_sidecar.journal.exchange import Exchange, Feedback, Message
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import forget as module
from laimark_sidecar.pipeline.doomed import Wish, doomed
from laimark_sidecar.pipeline.forget import begin, carry_on, forget, pending
from laimark_sidecar.pipeline.intake import take_in as take_in_log
from laimark_sidecar.pipeline.recall import repeating
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.sources.added import Added
from laimark_sidecar.sources.source import SourceBatch

WISH = Wish(text=re.compile(re.escape(SECRET)))
GREETING = (Message(role="user", content="hi"),)


@dataclass
class Log:
    """A log of another program that holds these records."""

    records: tuple[Exchange | Feedback, ...]
    name: str = "chats"

    def read(self, cursor: bytes | None, *, max_lines: int = 1000) -> SourceBatch:
        records = () if cursor else self.records
        return SourceBatch(records=records, faults=(), cursor=b"end", more=False)

    def watch(self) -> tuple[Path, ...]:
        return ()


def told(number: int = 900) -> Exchange:
    """Return a question that the user answered himself, with the secret in it."""
    return correction(number, target=f"{IDIOM}  # {SECRET}")[1]


def next_turn(
    exchange: Exchange, said: str = f"No, the next line is:\n```python\n{IDIOM} # 2\n```"
) -> Exchange:
    messages = (
        *exchange.messages,
        Message(role="assistant", content=exchange.answer),
        Message(role="user", content=said),
    )
    return replace(
        exchange, id="b" * 32, messages=messages, answer="Noted, thank you.", time_s=exchange.time_s + 5000
    )


@pytest.fixture
def workshop(ready_home: Home) -> Workshop:
    return opened(ready_home)


def forget_it(workshop: Workshop, *records: Exchange | Feedback, wish: Wish = WISH) -> None:
    append(workshop.home, *records)
    take_in(workshop)
    with workshop.store() as store:
        found = doomed(workshop, store, wish)
    assert not found.empty
    forget(workshop, found)
    assert files_with(workshop.home.root, *TRACES) == []


def held(workshop: Workshop) -> set[str]:
    with workshop.store() as store:
        return {item.id for item in store.items()}


def test_the_next_turn_of_a_forgotten_conversation_teaches_nothing_and_goes_too(workshop: Workshop) -> None:
    exchange = told()
    forget_it(workshop, exchange)
    before = held(workshop)
    append(workshop.home, next_turn(exchange))
    assert take_in(workshop) == 0
    assert held(workshop) == before
    assert carry_on(workshop).lines == 1
    assert files_with(workshop.home.root, *TRACES) == []
    # And the turn after that, which repeats what was taken away just now.
    append(workshop.home, next_turn(next_turn(exchange), "Thanks, and now?"))
    take_in(workshop)
    carry_on(workshop)
    assert files_with(workshop.home.root, *TRACES) == []


def test_feedback_on_it_goes_too(workshop: Workshop) -> None:
    exchange = told()
    forget_it(workshop, exchange)
    edit = Feedback(
        id="f" * 32,
        time_s=exchange.time_s + 9,
        source="gateway",
        exchange_id=exchange.id,
        kind="edit",
        text=SECRET,
    )
    append(workshop.home, edit)
    take_in(workshop)
    assert carry_on(workshop).lines == 1
    assert files_with(workshop.home.root, *TRACES) == []
    with workshop.store() as store:
        assert store.waiting_feedback() == ()


@pytest.mark.parametrize(("found", "kept"), [("", ""), ("\n", "\r\n"), ('"', "\u201d"), (" ", "  ")])
def test_another_program_s_account_is_not_taken_in_however_it_keeps_the_text(
    workshop: Workshop, found: str, kept: str
) -> None:
    def rewritten(text: str) -> str:
        return text.replace(found, kept) if found else text

    exchange = told()
    forget_it(workshop, exchange)
    twin = replace(
        exchange,
        id="c" * 32,
        source="open-webui",
        time_s=exchange.time_s + 300,
        messages=tuple(replace(one, content=rewritten(one.content)) for one in exchange.messages[-1:]),
        answer=rewritten(exchange.answer),
    )
    other = replace(correction(901)[0], id="d" * 32, source="open-webui")
    with workshop.store() as store:
        taken = take_in_log(
            workshop,
            store,
            Added(name="chats", kind="open-webui", path="/nowhere", since_s=0.0),
            Log(records=(twin, other)),
            wanted=lambda _: True,
            should_stop=never,
        )
    assert (taken.records, taken.skipped) == (1, 1)
    assert files_with(workshop.home.root, *TRACES) == []


def test_a_history_without_its_beginning_is_known_by_a_long_pair(workshop: Workshop) -> None:
    exchange = told()
    long = replace(exchange, answer="Noted: " + "I will remember where you live. " * 5)
    forget_it(workshop, long)
    later = next_turn(long)
    shortened = replace(later, messages=later.messages[-3:])
    append(workshop.home, shortened)
    take_in(workshop)
    carry_on(workshop)
    assert files_with(workshop.home.root, *TRACES) == []


def test_who_forgot_a_greeting_may_still_greet(workshop: Workshop) -> None:
    greeting = replace(told(), id="1" * 32, messages=GREETING, answer="Hello! How can I help?")
    append(workshop.home, greeting)
    take_in(workshop)
    with workshop.store() as store:
        forget(workshop, doomed(workshop, store, Wish(ids=(greeting.id,))))
    asked, corrected = correction(950)
    tomorrow = replace(
        corrected,
        id="2" * 32,
        messages=(Message(role="user", content="hey"), *asked.messages[1:], *corrected.messages),
        time_s=greeting.time_s + 86_400,
    )
    again = replace(greeting, id="3" * 32, time_s=greeting.time_s + 86_400, messages=(*GREETING, *GREETING))
    with workshop.store() as store:
        assert repeating(store, (tomorrow, again)) == frozenset()


def test_no_record_is_looked_at_where_nothing_was_forgotten(workshop: Workshop) -> None:
    records = iter([told()])
    with workshop.store() as store:
        assert repeating(store, records) == frozenset()
    assert len(list(records)) == 1


def test_a_crash_before_anything_was_erased_forgets_the_traces_no_less(workshop: Workshop) -> None:
    exchange = told()
    append(workshop.home, exchange)
    take_in(workshop)
    with workshop.store() as store:
        begin(workshop, doomed(workshop, store, WISH))
    # The process dies here; another one carries on.
    carry_on(opened(workshop.home))
    append(workshop.home, next_turn(exchange))
    take_in(workshop)
    assert pending(workshop.home) is not None
    carry_on(workshop)
    assert files_with(workshop.home.root, *TRACES) == []


def test_an_intent_of_an_earlier_release_is_carried_on(workshop: Workshop) -> None:
    exchange = told()
    append(workshop.home, exchange)
    take_in(workshop)
    workshop.home.forgetting.write_text(
        f'{{"records":["{exchange.id}"],"items":[],"lines":[],"version":1}}', encoding="utf-8"
    )
    assert carry_on(workshop).lines == 1
    assert files_with(workshop.home.root, *TRACES) == []


def test_what_is_added_while_it_is_carried_out_is_not_lost(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = told(910), replace(told(911), id="e" * 32)
    append(workshop.home, first, second)
    take_in(workshop)

    def meanwhile(folder: Path, doomed: Callable[[bytes], bool]) -> Erased:
        done = erase(folder, doomed)
        module.begin_repeated(workshop, [second.id])
        return done

    monkeypatch.setattr(module, "erase", meanwhile)
    module.begin_repeated(workshop, [first.id])
    assert not carry_on(workshop).finished
    monkeypatch.undo()
    done = carry_on(workshop)
    assert (done.lines, done.finished) == (1, True)
    assert files_with(workshop.home.root, *TRACES) == []
