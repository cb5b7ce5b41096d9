from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.open_webui import chat, turn

from laimark_sidecar.journal.exchange import Exchange, Feedback, ToolCall, decode, encode
from laimark_sidecar.sources.open_webui_chat import read_chat

T = 1_760_000_000.0


def records(body: dict[str, Any], *, ratings: bool = False) -> list[Exchange | Feedback]:
    read = read_chat(body, [], chat_id="c", user_id="u")
    assert read is not None
    return list(read.records(0.0, ratings=ratings))


def answered(content: Any, **more: Any) -> Exchange:
    found = records(chat(turn("1", "", "user", "Hi", s=T), turn("2", "1", "assistant", content, s=T, **more)))
    assert isinstance(found[0], Exchange)
    return found[0]


def test_thinking_and_tool_calls_are_kept_apart_from_the_text() -> None:
    exchange = answered(
        '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 seconds</summary>\n'
        "&gt; I &quot;think&quot;\n</details>\n"
        '<details type="tool_calls" id="x" name="now" arguments="{&quot;zone&quot;:1}">\n<summary>T</summary>\n</details>\n'
        "It is late."
    )
    assert exchange.answer == "It is late."
    assert exchange.thinking == '> I "think"'
    assert exchange.tool_calls == (ToolCall(name="now", arguments='{"zone":1}'),)


def test_a_tool_call_with_a_long_result_is_kept_apart_from_the_text() -> None:
    attributes = f'type="tool_calls" name="f" arguments="{{}}" result="{"r" * 100_000}"'
    exchange = answered(f"<details {attributes}>\n<summary>Ran</summary>\n</details>\nIt is noon.")
    assert (exchange.answer, [one.name for one in exchange.tool_calls]) == ("It is noon.", ["f"])


@pytest.mark.parametrize("looped", ["<details ", '<details type="reasoning"><summary>', "<summary>"])
def test_an_answer_in_which_the_model_looped_is_read_in_one_pass(looped: str) -> None:
    # Searched anew from each repetition, a megabyte takes hours, which the limit that all tests have would end.
    exchange = answered(f'<details type="reasoning">{looped * (1_000_000 // len(looped))}</details>Done.')
    assert exchange.answer == "Done."
    again = answered(f"{looped * (1_000_000 // len(looped))}</details>Done.")
    assert again.answer.endswith("Done.")


@pytest.mark.parametrize("time", [10**400, 1e300, float("inf"), "noon", None])
def test_an_answer_without_a_possible_time_is_left_out(time: object) -> None:
    asked, said = turn("1", "", "user", "Hi", s=T), turn("2", "1", "assistant", "Ho", s=T)
    said["timestamp"] = time
    assert records(chat(asked, said)) == []


def test_details_that_the_model_wrote_itself_stay() -> None:
    written = "<details><summary>More</summary>text</details> end"
    assert answered(written).answer == written


def test_an_edited_answer_is_the_original_and_what_became_of_it() -> None:
    first, second = records(
        chat(
            turn("1", "", "user", "Hi", s=T),
            turn("2", "1", "assistant", "Better", s=T, originalContent="Good"),
        )
    )
    assert isinstance(first, Exchange)
    assert isinstance(second, Feedback)
    assert first.answer == "Good"
    assert (second.kind, second.text, second.exchange_id) == ("edit", "Better", first.id)


def test_files_and_pages_beside_a_prompt_are_told_by_digest() -> None:
    found = records(
        chat(
            turn(
                "1",
                "",
                "user",
                [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": "x"}],
                s=T,
            ),
            turn("2", "1", "assistant", "Nice", s=T),
        )
    )
    assert isinstance(found[0], Exchange)
    assert found[0].messages[0].content == "See"
    assert len(found[0].messages[0].attachments) == 1


def test_the_system_prompt_of_the_chat_comes_first() -> None:
    found = records(
        chat(
            turn("1", "", "user", "Hi", s=T),
            turn("2", "1", "assistant", "Ho", s=T * 1000),
            params={"system": "Be brief."},
        )
    )
    assert isinstance(found[0], Exchange)
    assert [one.role for one in found[0].messages] == ["system", "user"]
    assert found[0].time_s == T  # milliseconds of newer versions


def test_the_list_of_versions_before_the_tree_is_read() -> None:
    body = {
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Ho", "timestamp": T},
        ]
    }
    found = records(body)
    assert isinstance(found[0], Exchange)
    assert [one.content for one in found[0].messages] == ["Hi"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    "id",
    "parentId",
    "role",
    "content",
    "timestamp",
    "model",
    "done",
    "error",
    "originalContent",
    "annotation",
    "files",
)
nodes = st.dictionaries(
    st.sampled_from(FIELDS), json_values | st.sampled_from(["1", "2", "user", "assistant"])
)


@given(
    body=st.fixed_dictionaries(
        {"history": st.fixed_dictionaries({"messages": st.dictionaries(st.sampled_from("123"), nodes)})}
    )
)
def test_whatever_stands_in_a_chat_gives_records_that_can_be_kept(body: dict[str, Any]) -> None:
    read = read_chat(body, [], chat_id="c", user_id="")
    for record in read.records(0.0, ratings=True) if read else ():
        try:
            line = encode(record)
        except UnicodeEncodeError:
            continue  # the journal refuses a lone surrogate by itself
        assert decode(line) == record


def test_of_several_texts_in_one_turn_the_message_says_so() -> None:
    texts = [{"type": "text", "text": "From a page."}, {"type": "text", "text": "typed"}]
    nodes = {
        "1": {"role": "user", "content": texts, "parentId": None, "timestamp": 10},
        "2": {"role": "assistant", "content": "ok", "parentId": "1", "timestamp": 11},
    }
    chat = read_chat({"history": {"messages": nodes}}, [], chat_id="c", user_id="u")
    assert chat is not None
    exchange = chat.exchange("2")
    assert exchange is not None
    assert [(one.content, one.parts) for one in exchange.messages] == [("From a page.\ntyped", 2)]
