from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import (
    Exchange,
    Feedback,
    Message,
    ToolCall,
    decode,
    encode,
    exchange_id,
)

text = st.text(st.characters(exclude_categories=["Cs"]))


@given(prompt=text, answer=text)
def test_every_exchange_comes_back_from_its_line(prompt: str, answer: str) -> None:
    messages = (Message(role="system", content="s"), Message(role="user", content=prompt))
    exchange = Exchange(
        id=exchange_id(time_s=1.5, source="t", messages=messages, answer=answer),
        time_s=1.5,
        source="t",
        client="c",
        model="m",
        base_sha256="b",
        adapter_version="v",
        messages=messages,
        answer=answer,
        finish="stop",
        options={"temperature": 0.5, "stop": None, "seed": 3},
    )
    line = encode(exchange)
    assert line.count(b"\n") == 1
    assert decode(line) == exchange


def test_feedback_comes_back_from_its_line() -> None:
    feedback = Feedback(id="f", time_s=1.0, source="t", exchange_id="e", kind="edit", text="better")
    assert decode(encode(feedback)) == feedback


def test_asking_the_same_a_second_later_is_another_exchange(make: Callable[..., Exchange]) -> None:
    assert make(1).id != make(2).id
    assert make(1).id == make(1).id


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"null",
        b"\x00\xff\xfe",
        b"{" * 100_000,
        b'{"type":"exchange","version":1}',
        b'{"type":"gossip","version":1}',
        b'{"type":"exchange","version":99}',
    ],
)
def test_a_line_that_is_not_a_record_is_refused(line: bytes) -> None:
    with pytest.raises(DataError, match="journal line"):
        decode(line)


def test_an_unknown_role_is_refused(make: Callable[..., Exchange]) -> None:
    with pytest.raises(DataError, match="malformed"):
        decode(encode(make(1)).replace(b'"role":"user"', b'"role":"prophet"'))


@pytest.mark.parametrize("time_s", [b"-1", b"1e300", b"1732308312123"])
def test_a_time_that_is_no_date_is_refused(make: Callable[..., Exchange], time_s: bytes) -> None:
    with pytest.raises(DataError, match="time_s"):
        decode(encode(make(1)).replace(b'"time_s":1001.0', b'"time_s":' + time_s))


def test_unknown_fields_are_refused_at_every_depth(make: Callable[..., Exchange]) -> None:
    line = encode(make(1))
    with pytest.raises(DataError, match="1 unknown fields, for example 'tools'"):
        decode(line.replace(b'{"type"', b'{"tools":[],"type"', 1))
    with pytest.raises(DataError, match="unknown fields, for example 'images'"):
        decode(line.replace(b'{"role"', b'{"images":[],"role"', 1))


def test_a_refused_value_is_not_repeated(make: Callable[..., Exchange]) -> None:
    line = encode(make(1)).replace(b'"role":"user"', b'"role":"my - at `$ secret"', 1)
    with pytest.raises(DataError, match=r"Invalid enum value - at `\$.messages\[0\].role`$") as caught:
        decode(line)
    assert "secret" not in str(caught.value)


def test_a_line_of_format_version_1_is_read_with_nothing_beside_its_text() -> None:
    line = (
        b'{"type":"exchange","id":"e","time_s":1.5,"source":"t","client":"c","model":"m","base_sha256":"","adapter_version":"",'
        b'"messages":[{"role":"user","content":"Hi"}],"answer":"Ho","finish":"stop","prompt_tokens":0,"answer_tokens":0,'
        b'"truncated":false,"options":{},"version":1}\n'
    )
    read = decode(line)
    assert isinstance(read, Exchange)
    assert read.messages == (Message(role="user", content="Hi"),)
    assert (read.thinking, read.tool_calls, read.background) == ("", (), False)


def test_ids_of_plain_text_are_those_of_format_version_1() -> None:
    message = Message(role="user", content="Hi")
    # sha256(b"1.500\0t\0" b"user\0Hi\0" b"Ho"), first 32 hex digits, by coreutils
    assert (
        exchange_id(time_s=1.5, source="t", messages=(message,), answer="Ho")
        == "1c64c5d23fd4fccbff7b6c2f7f9bb64b"
    )


def test_what_stands_beside_the_text_tells_exchanges_apart() -> None:
    call = ToolCall(name="now", arguments="{}")
    messages = (
        Message(role="assistant", content=""),
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="assistant", content="", attachments=("ab" * 32,)),
    )
    ids = {exchange_id(time_s=1.0, source="t", messages=(one,), answer="") for one in messages}
    assert len(ids) == 3


def test_tool_calls_come_back_and_unknown_fields_in_them_are_refused() -> None:
    call = ToolCall(name="now", arguments='{"zone":"UTC"}')
    exchange = Exchange(
        id="e",
        time_s=1.0,
        source="t",
        client="c",
        model="m",
        base_sha256="",
        adapter_version="",
        messages=(Message(role="assistant", content="", tool_calls=(call,)),),
        answer="",
        finish="stop",
        thinking="hm",
        tool_calls=(call,),
        background=True,
    )
    assert decode(encode(exchange)) == exchange
    with pytest.raises(DataError, match="1 unknown fields, for example 'mood'"):
        decode(encode(exchange).replace(b'"arguments"', b'"mood":1,"arguments"', 1))


def test_of_how_many_texts_a_message_is_made_is_kept_and_makes_no_other_message_of_it(
    make: Callable[..., Exchange],
) -> None:
    one, two = Message(role="user", content="No."), Message(role="user", content="No.", parts=2)
    ids = {exchange_id(time_s=1.0, source="test", messages=(each,), answer="") for each in (one, two)}
    assert len(ids) == 1
    assert one == two
    record = decode(encode(replace(make(1), messages=(two, one))))
    assert isinstance(record, Exchange)
    assert [message.parts for message in record.messages] == [2, 1]
