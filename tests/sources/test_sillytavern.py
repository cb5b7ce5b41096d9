from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sources.test_open_webui import At

from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Exchange, decode, encode
from laimark_sidecar.sources.sillytavern import SillyTavernSource, parse

HEADER = {
    "user_name": "You",
    "character_name": "Ada",
    "create_date": "2025-10-1@12h00m00s",
    "chat_metadata": {},
}
WHEN = "October 1, 2025 12:00pm"


def said(text: str, *, user: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "name": "You" if user else "Ada",
        "is_user": user,
        "is_system": False,
        "send_date": WHEN,
        "mes": text,
        **more,
    }


def file(*lines: Any) -> bytes:
    return b"\n".join(json.dumps(line).encode() for line in lines) + b"\n"


def test_each_answer_is_told_with_what_was_shown_before_it() -> None:
    chat = file(
        HEADER, said("Welcome"), said("Hi", user=True), said("Ho", extra={"model": "m", "reasoning": "hm"})
    )
    (exchange,) = parse(chat, 0.0)
    assert [(one.role, one.content) for one in exchange.messages] == [
        ("assistant", "Welcome"),
        ("user", "Hi"),
    ]
    assert (exchange.answer, exchange.model, exchange.thinking) == ("Ho", "m", "hm")
    assert (exchange.source, exchange.time_s) == ("sillytavern", 1_759_320_000)


def test_swipes_are_answers_to_the_same_and_the_shown_one_is_followed() -> None:
    infos = [{"send_date": WHEN, "extra": {"model": name}} for name in ("a", "b")]
    chat = file(
        HEADER,
        said("Hi", user=True),
        said("second", swipes=["first", "second"], swipe_id=1, swipe_info=infos),
        said("On", user=True),
        said("third"),
    )
    found = list(parse(chat, 0.0))
    assert [(one.answer, one.model) for one in found[:2]] == [("first", "a"), ("second", "b")]
    assert [one.content for one in found[2].messages] == ["Hi", "second", "On"]


def test_hidden_messages_were_not_shown_to_the_model() -> None:
    (exchange,) = parse(file(HEADER, said("note", is_system=True), said("Hi", user=True), said("Ho")), 0.0)
    assert [one.content for one in exchange.messages] == ["Hi"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b"{", "line 1:"),
        (b'{"other": 1}\n', "line 1 is no message of SillyTavern"),
        (file(HEADER, {"name": "x"}), "line 2 is no message of SillyTavern"),
        (file(HEADER, {**said("Hi"), "send_date": "once"}), "line 2: send_date"),
        (b"[" * 100_000, "line 1:"),
        (b"\xff\xfe", "line 1:"),
    ],
)
def test_what_is_no_chat_is_told_with_its_line(lines: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(parse(lines, 0.0))


def test_chats_below_the_data_folder_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "default-user" / "chats" / "Ada"
    folder.mkdir(parents=True)
    (folder / "Ada - 2025.jsonl").write_bytes(file(HEADER, said("Hi", user=True), said("Ho")))
    batch = SillyTavernSource(tmp_path, clock=At(9e9)).read(None)
    assert [one.answer for one in batch.records if isinstance(one, Exchange)] == ["Ho"]


values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.text(max_size=3) | st.none(), max_size=3)
)
FIELDS = (
    "mes",
    "is_user",
    "is_system",
    "send_date",
    "swipes",
    "swipe_id",
    "swipe_info",
    "extra",
    "chat_metadata",
)


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), values | st.just(WHEN)), max_size=4))
def test_whatever_stands_in_a_file_is_told_or_refused(lines: list[dict[str, Any]]) -> None:
    try:
        found = list(parse(file(*lines), 0.0))
    except DataError:
        return
    assert [decode(encode(one)) for one in found] == found
