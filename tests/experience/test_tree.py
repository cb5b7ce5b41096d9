from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.experience.conftest import talk

from laimark_sidecar.experience.tree import chain, message_id, prefix, root_prompt
from laimark_sidecar.journal.exchange import Message, ToolCall

turns = st.lists(
    st.builds(
        lambda role, content: Message(role=role, content=content),
        st.sampled_from(["user", "assistant"]),
        st.text(max_size=5),
    ),
    max_size=5,
)


def test_the_prefix_is_the_id_of_the_last_message() -> None:
    messages = talk("s: be brief", "u: hello")
    parent = message_id("", "system", "be brief")
    assert prefix(messages) == message_id(parent, "user", "hello")
    assert len(parent) == 32
    assert prefix(()) == ""


@given(messages=turns, more=turns)
def test_a_longer_history_keeps_the_ids_of_the_shorter(messages: list[Message], more: list[Message]) -> None:
    assert chain(messages + more)[: len(messages)] == chain(messages)


def test_the_same_message_elsewhere_is_another() -> None:
    assert prefix(talk("u: a", "a: x", "u: b")) != prefix(talk("u: a", "a: y", "u: b"))
    assert message_id("", "user", "a") != message_id("", "system", "a")


def test_what_clients_change_on_the_way_does_not_count() -> None:
    assert prefix(talk("u: a", "a: <think>hm</think>\n\n x \n", "u: b")) == prefix(
        talk("u: a", "a: x", "u: b")
    )
    assert prefix(talk("u: <think>a</think> b")) != prefix(talk("u: b"))


def test_the_root_is_the_first_request_with_its_system_prompt() -> None:
    assert root_prompt(talk("s: be brief", "u: a", "a: x", "u: b")) == talk("u: a")
    assert root_prompt(talk("s: only")) == talk("s: only")


def test_one_text_beside_other_images_or_calls_is_another_message() -> None:
    plain, cat = Message(role="user", content="what is this?"), "c" * 64
    shown = Message(role="user", content="what is this?", attachments=(cat,))
    called = Message(role="assistant", content="", tool_calls=(ToolCall(name="ls", arguments="{}"),))
    other = Message(role="assistant", content="", tool_calls=(ToolCall(name="rm", arguments="{}"),))
    assert prefix([plain]) == message_id("", "user", "what is this?")
    assert prefix([plain]) != prefix([shown])
    assert prefix([plain, called]) != prefix([plain, other])
