from __future__ import annotations

from dataclasses import replace

import pytest
from tests.experience.conftest import Memory, exchange, feedback, learn
from tests.replay.examples import make_item

from laimark_sidecar.experience.batch import experience_of
from laimark_sidecar.experience.screening import Policy, Screen, texts_of
from laimark_sidecar.journal.exchange import Exchange, Feedback, Message, ToolCall
from laimark_sidecar.replay.item import Item

SECRET = "ghp_" + "a1B2c3D4e5F6" * 3
MAIL = "anna.huber@" + "mailbox.org"


def screened(item: Item, policy: Policy) -> list[str]:
    kept, flagged = Screen(policy).screened([item], "record")
    assert len(kept) + len(flagged) == 1
    return [*flagged[0].rules, *flagged[0].places] if flagged else []


@pytest.mark.parametrize(
    ("item", "place"),
    [
        (make_item(1, prompt=f"my token is {SECRET}"), "prompt"),
        (make_item(1, target=f"token = {SECRET}"), "target"),
        (replace(make_item(1), hint=f"No, use {SECRET}"), "hint"),
        (
            replace(
                make_item(1),
                messages=(
                    Message(
                        role="assistant",
                        content="",
                        tool_calls=(ToolCall(name="f", arguments=f'{{"t": "{SECRET}"}}'),),
                    ),
                ),
            ),
            "prompt",
        ),
    ],
)
def test_a_secret_anywhere_leaves_the_whole_example_out(item: Item, place: str) -> None:
    found = screened(item, Policy())
    assert "github token" in found
    assert found[-1] == place


def test_what_is_remembered_of_it_is_not_the_secret() -> None:
    item = make_item(1, prompt=f"my token is {SECRET}")
    _, (flagged,) = Screen(Policy()).screened([item], "record-1")
    assert SECRET not in repr(flagged)
    assert (flagged.item_id, flagged.record_id, flagged.exchange_id) == (
        item.id,
        "record-1",
        "exchange-000001",
    )


def test_personal_data_may_be_kept_by_group_and_secrets_never() -> None:
    item = make_item(1, target=f"write to {MAIL}")
    assert screened(item, Policy()) == ["e-mail address", "target"]
    assert screened(item, Policy(keep=frozenset({"contact"}))) == []
    assert screened(item, Policy(keep=frozenset({"payment"}))) != []


def test_ones_own_words_are_no_finding() -> None:
    item = make_item(1, target=f"write to {MAIL.upper()}")
    assert screened(item, Policy(allow=(MAIL,))) == []
    assert screened(item, Policy(allow=("else@",))) != []


def test_a_known_false_alarm_passes() -> None:
    item = make_item(1, target=f"token = {SECRET}")
    assert screened(item, Policy(is_false_alarm=lambda item_id: item_id == item.id)) == []
    assert screened(item, Policy(is_false_alarm=lambda item_id: item_id != item.id)) != []


def test_a_batch_leaves_it_out_and_says_so() -> None:
    found = learn(exchange(f"u: my key is {SECRET}", "a: Basel", "u: No, it should be: Bern"))
    assert found.items == ()
    assert [dropped.reason for dropped in found.dropped] == ["secret"]
    (flagged,) = found.flagged
    assert "github token" in flagged.rules


def test_arguments_of_tool_calls_are_texts_of_a_message() -> None:
    message = Message(role="assistant", content="c", tool_calls=(ToolCall(name="n", arguments="a"),))
    assert texts_of(message) == ("c", "a")


ASKED = "u: How do I sign in?"
LONG = "In the settings, below your name, there is a field for your password; then press the button."
LEAK = f"Use {SECRET} there."
GIVEN = exchange(ASKED, answer=LEAK)
ANOTHER = exchange(ASKED, answer="I do not know.", time_s=999.0)
LOGGED = exchange(ASKED, answer=LEAK, source="chats", time_s=1001.0)
SEEN = exchange(ASKED, answer=LEAK, source="gateway", adapter_version="me:1")
PATHS: dict[str, list[Exchange | Feedback]] = {
    "accept": [GIVEN, exchange(ASKED, f"a: {LEAK}", "u: Yes, that is right.", time_s=1002.0)],
    "edit": [
        exchange(ASKED, answer=LONG),
        exchange(ASKED, f"a: {LONG.replace('field', LEAK)}", "u: And then?", time_s=1002.0),
    ],
    "kept": [ANOTHER, GIVEN, exchange(ASKED, f"a: {LEAK}", "u: And then?", time_s=1002.0)],
    "hindsight": [
        ANOTHER,
        exchange(ASKED, "a: I do not know.", "u: That is wrong.", answer=LEAK, time_s=1001.0),
        exchange(
            ASKED,
            "a: I do not know.",
            "u: That is wrong.",
            f"a: {LEAK}",
            "u: Yes, that is right.",
            time_s=1002.0,
        ),
    ],
    "feedback": [GIVEN, feedback(GIVEN, "accept")],
    "feedback, edited": [ANOTHER, feedback(ANOTHER, "edit", LEAK)],
    "early": [feedback(GIVEN, "accept"), GIVEN],
    "twin": [SEEN, LOGGED, feedback(LOGGED, "accept")],
    "twin, read first": [LOGGED, feedback(LOGGED, "accept"), SEEN],
}


@pytest.mark.parametrize("records", PATHS.values(), ids=PATHS)
def test_an_answer_with_a_secret_is_screened_on_every_way_to_becoming_an_item(
    records: list[Exchange | Feedback],
) -> None:
    found = learn(*records)
    assert found.items == ()
    assert {one.rules for one in found.flagged} == {("github token",)}
    # It is for the secret alone: without the rule the same records teach.
    assert experience_of(records, Memory(), heldout_share=0.0, policy=Policy(allow=(SECRET.lower(),))).items


def test_a_secret_in_what_was_rejected_alone_leaves_the_lesson_without_it() -> None:
    item = replace(make_item(1), rejected=f"token = {SECRET}")
    for policy in (Policy(), Policy(is_false_alarm=lambda _: True)):
        kept, flagged = Screen(policy).screened([item], "record")
        assert (kept, flagged) == ((make_item(1),), ())
    harmless = replace(item, rejected="token = ")
    assert Screen(Policy()).screened([harmless], "record") == ((harmless,), ())
