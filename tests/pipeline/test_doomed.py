from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.replay.examples import make_item
from tests.support.forgetting import SECRET, add_version, append, say_secret
from tests.support.homes import correction, exchange, opened

from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Feedback, Message, ToolCall, encode
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.doomed import Doomed, Wish, doomed
from laimark_sidecar.pipeline.forget import forget


def meant(home: Home, wish: Wish) -> Doomed:
    workshop = opened(home)
    with workshop.store() as store:
        return doomed(workshop, store, wish)


def ids(found: Doomed) -> set[str]:
    return {one.id for one in found.exchanges}


def literal(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text), re.IGNORECASE)


def test_a_text_means_what_holds_it_in_any_case_and_the_lesson_made_from_it(ready_home: Home) -> None:
    workshop = opened(ready_home)
    _, told = say_secret(workshop)
    found = meant(ready_home, Wish(text=literal(SECRET.upper())))
    assert ids(found) == {told.id}
    assert found.held == 1
    assert not found.exchanges[0].continues


def test_a_text_means_a_lesson_that_holds_it_only_as_what_was_rejected(ready_home: Home) -> None:
    workshop = opened(ready_home)
    with workshop.store() as store:
        store.ingest("a", b"1", [], [replace(make_item(1), rejected=f"No, {SECRET}")])
    assert meant(ready_home, Wish(text=literal(SECRET))).items == ("item-000001",)


def test_an_id_takes_the_later_turns_that_repeat_it(ready_home: Home) -> None:
    asked, told = say_secret(opened(ready_home))
    found = meant(ready_home, Wish(ids=(asked.id[:10],)))
    assert {one.id: one.continues for one in found.exchanges} == {asked.id: False, told.id: True}


def test_an_item_s_id_means_its_exchanges(ready_home: Home) -> None:
    asked, told = correction(3)
    workshop = opened(ready_home)
    with workshop.store() as store:
        item = next(one for one in store.items() if told.id in one.exchange_ids)
    assert ids(meant(ready_home, Wish(ids=(item.id,)))) == {asked.id, told.id}


def test_times_sources_clients_and_models_must_all_hold(ready_home: Home) -> None:
    for number, (source, client) in enumerate((("a", "x"), ("a", "y"), ("b", "x"))):
        message = (Message(role="user", content=f"other {number}"),)
        one = exchange(message, "Yes.", 100.0 + number)
        append(ready_home, replace(one, source=source, client=client))
    assert len(meant(ready_home, Wish(source="a")).exchanges) == 2
    assert len(meant(ready_home, Wish(source="a", client="x")).exchanges) == 1
    assert len(meant(ready_home, Wish(since_s=101.0, until_s=102.0)).exchanges) == 1
    assert meant(ready_home, Wish(model="nobody")).empty


def test_feedback_goes_with_its_exchange_and_by_its_own_text(ready_home: Home) -> None:
    asked, _ = say_secret(opened(ready_home))
    on_it = Feedback(id="f" * 32, time_s=5.0, source="embedded", exchange_id=asked.id, kind="accept")
    edited = Feedback(
        id="e" * 32, time_s=5.0, source="embedded", exchange_id="d" * 32, kind="edit", text="wombats"
    )
    append(ready_home, on_it, edited)
    assert meant(ready_home, Wish(ids=(asked.id,))).feedback == (on_it.id,)
    assert meant(ready_home, Wish(text=literal("wombats"))).feedback == (edited.id,)


def test_a_damaged_line_is_found_through_its_escapes(ready_home: Home) -> None:
    line = encode(say_secret(opened(ready_home))[1]).replace(b'"version":2', b'"version":99')
    (ready_home.journal / "20200101T000000.000-1.jsonl").write_bytes(line)
    assert len(meant(ready_home, Wish(text=literal(SECRET))).unreadable) == 1


def test_versions_that_learned_from_it_are_named_though_the_buffer_holds_it_no_more(ready_home: Home) -> None:
    workshop = opened(ready_home)
    _, told = correction(3)
    with workshop.store() as store:
        item = next(one for one in store.items() if told.id in one.exchange_ids)
        add_version(workshop, "me:2026-11-22-aaaa", sample_ids=[item.id])
        store.oblivion.remove([item.id])
    found = meant(ready_home, Wish(ids=(told.id,)))
    assert (found.held, found.versions) == (0, ("me:2026-11-22-aaaa",))


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({}, "nothing says"),
        ({"ids": ("abc",)}, "too short"),
        ({"text": re.compile("")}, "empty"),
        ({"text": re.compile("x*")}, "empty"),
    ],
)
def test_a_wish_that_would_mean_everything_or_nothing_is_refused(wish: dict[str, object], says: str) -> None:
    with pytest.raises(DataError, match=says):
        Wish(**wish)  # type: ignore[arg-type]  # the parameters are of one test each


def test_an_id_that_names_nothing_is_refused(ready_home: Home) -> None:
    with pytest.raises(DataError, match="names nothing"):
        meant(ready_home, Wish(ids=("0123456789",)))


def test_forgetting_either_account_of_an_exchange_forgets_the_other_and_what_repeats_it(
    ready_home: Home,
) -> None:
    asked, told = (replace(one, source="gateway") for one in say_secret(opened(ready_home)))
    system = Message(role="system", content="Today is Monday.")
    twins = [
        replace(one, id=one.id[::-1], source="chats", messages=(system, *one.messages), time_s=one.time_s + 2)
        for one in (asked, told)
    ]
    alone = replace(twins[0], id="a" * 32, time_s=asked.time_s + 9000)
    append(ready_home, *twins, alone)
    both = {asked.id, told.id, twins[0].id, twins[1].id}
    # What `say_secret` recorded stands at the runner, too: its source is "embedded".
    assert ids(meant(ready_home, Wish(ids=(asked.id,)))) == both
    assert ids(meant(ready_home, Wish(ids=(twins[0].id,)))) == both
    assert ids(meant(ready_home, Wish(ids=(twins[1].id,)))) == {told.id, twins[1].id}


def test_a_lesson_goes_with_the_twin_of_an_exchange_whose_line_is_deleted(ready_home: Home) -> None:
    workshop = opened(ready_home)
    _, told = say_secret(workshop)
    for segment in ready_home.journal.glob("*.jsonl"):
        segment.unlink()
    twin = replace(told, id="a" * 32, source="chats", time_s=told.time_s + 2)
    append(ready_home, twin)
    found = meant(ready_home, Wish(ids=(twin.id,)))
    assert (ids(found), found.answers, found.held) == ({twin.id}, (told.id,), 1)


def test_a_turn_that_repeats_an_answer_with_tool_calls_goes_with_or_without_them(ready_home: Home) -> None:
    question = Message(role="user", content="Where is the wombat?")
    call = ToolCall(name="look", arguments="{}")
    asked = replace(exchange((question,), "I look.", 100.0), tool_calls=(call,))
    answers = [Message(role="assistant", content="I look.", tool_calls=calls) for calls in ((call,), ())]
    result = Message(role="tool", content="In its burrow.")
    later = [
        exchange((question, answer, result), "There.", 101.0 + place) for place, answer in enumerate(answers)
    ]
    append(ready_home, asked, *later)
    assert ids(meant(ready_home, Wish(ids=(asked.id,)))) == {asked.id, *(one.id for one in later)}


def test_feedback_that_waits_for_its_exchange_is_found_by_its_text_without_its_line(ready_home: Home) -> None:
    workshop = opened(ready_home)
    waits = Feedback(
        id="e" * 32, time_s=5.0, source="chats", exchange_id="d" * 32, kind="edit", text="wombats"
    )
    with workshop.store() as store:
        store.ingest("other", b"1", [], [], early=[waits])
    found = meant(ready_home, Wish(text=literal("Wombats")))
    assert found.feedback == (waits.id,)
    forget(workshop, found)
    with workshop.store() as store:
        assert store.waiting_feedback() == ()


def test_a_later_turn_goes_though_its_instructions_tell_another_time(ready_home: Home) -> None:
    def at(minute: int) -> Message:
        return Message(role="system", content=f"It is 10:{minute:02}.")

    question, answer = Message(role="user", content="Where is the wombat?"), "In its burrow."
    said = Message(role="assistant", content=answer)
    asked = exchange((at(1), question), answer, 100.0)
    later = exchange((at(2), question, said, Message(role="user", content="And now?")), "Still there.", 160.0)
    append(ready_home, asked, later)
    assert ids(meant(ready_home, Wish(ids=(asked.id,)))) == {asked.id, later.id}


def test_the_first_words_are_shown_and_what_the_privacy_rules_find_is_hidden(ready_home: Home) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    asked, _ = correction(920)
    said = replace(asked, messages=(Message(role="user", content=f"Use\n {secret}, will you?"),))
    append(ready_home, said)
    (found,) = meant(ready_home, Wish(ids=(said.id,))).exchanges
    assert found.words.startswith("Use [")
    assert "ghp_" not in found.words
    assert len(found.words) <= 60
