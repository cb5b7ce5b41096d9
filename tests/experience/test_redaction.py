from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.replay.examples import make_item

from laimark_sidecar.experience.redaction import cut, hidden, redacted
from laimark_sidecar.experience.screening import STRICT, Policy, Screen
from laimark_sidecar.journal.exchange import Message, ToolCall

SECRET = "ghp_" + "a1B2c3D4e5F6" * 3
MAIL = "anna.huber@" + "mailbox.org"


def test_what_is_shown_names_the_rule_in_its_place() -> None:
    assert hidden(f"use {SECRET} or {MAIL}!", STRICT) == "use [github token] or [e-mail address]!"


def test_what_is_cut_leaves_nothing_behind() -> None:
    assert cut(f"use {SECRET}", STRICT) == "use"
    assert cut("nothing here ", STRICT) == "nothing here "


@pytest.mark.parametrize("policy", [STRICT, Policy(keep=frozenset({"contact"}))])
def test_only_what_the_policy_finds_is_cut(policy: Policy) -> None:
    assert cut(f"{MAIL}, {SECRET}.", policy) == (", ." if policy is STRICT else f"{MAIL}, .")


def test_a_redacted_item_is_a_new_one_on_the_same_side() -> None:
    item = replace(make_item(1, prompt=f"with {SECRET}", target="42", split="heldout"), hint=f"No, {MAIL}")
    new = redacted(item, STRICT)
    assert new.id != item.id
    assert (new.messages[0].content, new.target, new.hint, new.split) == ("with", "42", "No,", "heldout")
    assert new.spans == item.spans
    assert Screen(STRICT).screened([new], "r")[1] == ()


def test_a_target_that_was_changed_is_marked_as_edited() -> None:
    item = make_item(1, target=f"login with {SECRET}")
    assert [span.provenance for span in redacted(item, STRICT).spans] == ["edited"]
    new = redacted(item, STRICT, target="login with your token")
    assert (new.target, new.spans[0].provenance, new.spans[0].end) == ("login with your token", "edited", 21)


def test_arguments_of_tool_calls_are_cut_too() -> None:
    call = ToolCall(name="f", arguments=f"--token {SECRET}")
    item = replace(
        make_item(1),
        messages=(Message(role="assistant", content="", tool_calls=(call,)), *make_item(1).messages),
    )
    assert SECRET not in repr(redacted(item, STRICT))


@given(
    st.lists(
        st.sampled_from([SECRET, MAIL, "token =", "und", "4111 1111 1111 1111", "password is", "\n"]),
        max_size=8,
    )
)
def test_nothing_that_was_cut_is_found_again(pieces: list[str]) -> None:
    text = cut(" ".join(pieces), STRICT)
    assert SECRET not in text
    assert MAIL not in text


def test_what_was_rejected_stays_unless_it_is_what_is_learned_now() -> None:
    item = replace(make_item(1, target=f"login with {SECRET}"), rejected="log in")
    assert redacted(item, STRICT).rejected == "log in"
    assert redacted(item, STRICT, target="log in").rejected == ""
