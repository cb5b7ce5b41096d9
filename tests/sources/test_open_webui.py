from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.open_webui import CHAT, CHAT_MESSAGE, FEEDBACK, WebUI, chat, turn

from laimark_sidecar.errors import LockedError, StateError
from laimark_sidecar.journal.exchange import Exchange, Feedback
from laimark_sidecar.sources import foreign_database, open_webui
from laimark_sidecar.sources.open_webui import OpenWebUISource
from laimark_sidecar.sources.open_webui_chat import Chat, read_chat
from laimark_sidecar.sources.source import SourceBatch

T = 1_760_000_000


class At:
    """A clock that stands at a time."""

    def __init__(self, s: float) -> None:
        self.s = s

    def now_s(self) -> float:
        return self.s

    def monotonic_s(self) -> float:
        return self.s

    def sleep(self, seconds: float) -> None:
        self.s += seconds


def source(path: Path, s: float = T + 10_000) -> OpenWebUISource:
    return OpenWebUISource(path, clock=At(s))


def everything(
    one: OpenWebUISource, cursor: bytes | None = None, *, max_lines: int = 1000
) -> tuple[list[Exchange | Feedback], bytes, list[SourceBatch]]:
    records: list[Exchange | Feedback] = []
    batches: list[SourceBatch] = []
    while True:
        batch = one.read(cursor, max_lines=max_lines)
        batches.append(batch)
        records += batch.records
        cursor = batch.cursor
        if not batch.more:
            return records, cursor, batches


@pytest.fixture
def webui(tmp_path: Path) -> Iterator[WebUI]:
    made = WebUI(tmp_path / "webui.db")
    yield made
    made.close()


def two_turns(s: int = T) -> dict[str, object]:
    return chat(
        turn("1", "", "user", "Hi", s=s),
        turn("2", "1", "assistant", "Ho", s=s + 1),
        turn("3", "2", "user", "More", s=s + 2),
        turn("4", "3", "assistant", "Much more", s=s + 3),
    )


def test_each_answer_is_an_exchange_with_its_history(webui: WebUI) -> None:
    webui.put("c", two_turns(), updated_s=T + 3)
    records, _, _ = everything(source(webui.path))
    first, second = (one for one in records if isinstance(one, Exchange))
    assert (first.answer, [one.content for one in first.messages]) == ("Ho", ["Hi"])
    assert (second.answer, [one.content for one in second.messages]) == ("Much more", ["Hi", "Ho", "More"])
    assert (first.source, first.client, first.model, first.time_s) == (
        "open-webui",
        "open-webui/u1",
        "llama",
        T + 1,
    )


def test_a_folder_names_the_database_in_it(webui: WebUI) -> None:
    webui.put("c", two_turns(), updated_s=T + 3)
    assert len(everything(source(webui.path.parent))[0]) == 2


def test_what_was_read_is_not_told_again_and_what_is_new_is(webui: WebUI) -> None:
    webui.put("a", two_turns(T - 9000), updated_s=T - 8997)
    webui.put("b", two_turns(T + 50), updated_s=T + 53)
    _, cursor, _ = everything(source(webui.path))
    assert everything(source(webui.path), cursor)[0] == []
    late = T + 9000
    longer = chat(
        *two_turns(T - 9000)["history"]["messages"].values(),  # type: ignore[index]
        turn("5", "4", "user", "On", s=late),
        turn("6", "5", "assistant", "And on", s=late + 1),
    )
    webui.put("a", longer, updated_s=late + 1)
    records, _, _ = everything(source(webui.path), cursor)
    assert [one.answer for one in records if isinstance(one, Exchange)] == ["And on"]


def test_old_answers_of_a_chat_that_was_never_read_are_told(webui: WebUI) -> None:
    webui.put("old", two_turns(T - 90_000), updated_s=T - 89_997)
    webui.put("touched today", two_turns(T - 800_000), updated_s=T)
    records, _, _ = everything(source(webui.path), max_lines=1)
    assert len(records) == 4


@pytest.mark.parametrize("max_lines", [1, 2, 3, 1000])
def test_batches_of_any_size_tell_the_same_once(webui: WebUI, max_lines: int) -> None:
    for number in range(120):
        webui.put(f"c{number:03}", two_turns(T + number // 7), updated_s=T + number // 7)
    webui.rate("f", 1, chat_id="c003", message_id="2", updated_s=T + 2)
    records, _, _ = everything(source(webui.path), max_lines=max_lines)
    ids = [one.id for one in records if isinstance(one, Exchange)]
    assert len(set(ids)) == len({(number // 7, turn_) for number in range(120) for turn_ in (0, 1)})
    assert [one.kind for one in records if isinstance(one, Feedback)] == ["accept"]


def test_a_chat_is_read_when_its_second_is_over(webui: WebUI) -> None:
    webui.put("c", two_turns(), updated_s=T)
    early = source(webui.path, s=T + 1)
    records, cursor, _ = everything(early)
    assert records == []
    assert len(everything(source(webui.path, s=T + 3), cursor)[0]) == 2


def test_branches_are_told_apart_and_unfinished_or_failed_answers_left_out(webui: WebUI) -> None:
    webui.put(
        "c",
        chat(
            turn("1", "", "user", "Hi", s=T),
            turn("2", "1", "assistant", "Ho", s=T + 1),
            turn("3", "1", "assistant", "Hey", s=T + 2),
            turn("4", "1", "assistant", "He", s=T + 3, done=False),
            turn("5", "1", "assistant", "", s=T + 3, error={"content": "boom"}),
            turn("6", "7", "assistant", "orphan", s=T + 3),
            turn("8", "8", "assistant", "circle", s=T + 3),
        ),
        updated_s=T + 3,
    )
    records, _, _ = everything(source(webui.path))
    assert [one.answer for one in records if isinstance(one, Exchange)] == ["Ho", "Hey"]


def test_a_thumb_follows_its_answer_and_one_that_is_taken_back_says_nothing(webui: WebUI) -> None:
    webui.put("c", two_turns(), updated_s=T + 3)
    webui.rate("up", 1, chat_id="c", message_id="2", updated_s=T + 5)
    webui.rate("down", "-1", chat_id="c", message_id="4", updated_s=T + 6)
    webui.rate("nothing", None, chat_id="c", message_id="4", updated_s=T + 7)
    webui.rate("gone", 1, chat_id="deleted", message_id="4", updated_s=T + 8)
    records, cursor, _ = everything(source(webui.path))
    ids = [one.id for one in records]
    feedback = [one for one in records if isinstance(one, Feedback)]
    assert [one.kind for one in feedback] == ["accept", "reject"]
    assert all(ids.index(one.exchange_id) < ids.index(one.id) for one in feedback)
    webui.rate("up", -1, chat_id="c", message_id="2", updated_s=T + 20)
    later, _, _ = everything(source(webui.path), cursor)
    assert [one.kind for one in later if isinstance(one, Feedback)] == ["reject"]


def test_thumbs_of_versions_before_the_table_are_read_from_the_message(tmp_path: Path) -> None:
    webui = WebUI(tmp_path / "webui.db", tables=(CHAT,))
    webui.put(
        "c",
        chat(
            turn("1", "", "user", "Hi", s=T), turn("2", "1", "assistant", "Ho", s=T, annotation={"rating": 1})
        ),
        updated_s=T,
    )
    webui.close()
    records, _, _ = everything(source(webui.path))
    assert [one.kind for one in records if isinstance(one, Feedback)] == ["accept"]


def test_rows_of_messages_stand_before_the_json(tmp_path: Path) -> None:
    webui = WebUI(tmp_path / "webui.db", tables=(CHAT, FEEDBACK, CHAT_MESSAGE))
    webui.put("c", {"title": "no history"}, updated_s=T)
    webui.message("c", "1", role="user", content="Hi", created_at=T)
    webui.message("c", "2", role="assistant", parent_id="1", content="Ho", model_id="m", created_at=T + 1)
    webui.close()
    records, _, _ = everything(source(webui.path))
    assert [(one.answer, one.model) for one in records if isinstance(one, Exchange)] == [("Ho", "m")]


@pytest.mark.parametrize(
    "body", ["[" * 100_000, "{", b"\xff\xfe", '{"history": 3}', "null", '{"history": {"messages": []}}']
)
def test_a_chat_that_is_damaged_is_a_fault_and_the_next_is_read(webui: WebUI, body: str | bytes) -> None:
    webui.put("bad", body, updated_s=T)
    webui.put("good", two_turns(), updated_s=T + 1)
    records, _, batches = everything(source(webui.path))
    assert len(records) == 2
    assert any(fault.segment == "webui.db/bad" for batch in batches for fault in batch.faults)


def test_no_database_yet_is_an_empty_log(tmp_path: Path) -> None:
    batch = source(tmp_path / "webui.db").read(None)
    assert (batch.records, batch.more) == ((), False)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"not a database at all" * 100, "cannot be read as Open WebUI's database"), (b"", "table chat lacks")],
)
def test_another_file_is_a_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "webui.db").write_bytes(content)
    with pytest.raises(StateError, match=message):
        source(tmp_path / "webui.db").read(None)


def test_another_layout_is_a_clear_error(tmp_path: Path) -> None:
    webui = WebUI(tmp_path / "webui.db", tables=("CREATE TABLE chat (id TEXT, content TEXT)",))
    webui.close()
    with pytest.raises(
        StateError, match=r"table chat lacks chat, updated_at, user_id .found: columns content, id"
    ):
        source(webui.path).read(None)


def test_a_damaged_cursor_is_a_clear_error(webui: WebUI) -> None:
    with pytest.raises(StateError, match="cursor is damaged"):
        source(webui.path).read(b"{")
    with pytest.raises(StateError, match="format version 9"):
        source(webui.path).read(b'{"tables":{},"version":9}')


def test_a_locked_database_is_read_later(webui: WebUI, monkeypatch: pytest.MonkeyPatch) -> None:
    webui.put("c", two_turns(), updated_s=T)
    monkeypatch.setattr(foreign_database, "BUSY_S", 0.05)
    holding = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import sqlite3,sys; c=sqlite3.connect({str(webui.path)!r}); c.execute('BEGIN EXCLUSIVE'); print(flush=True);"
            "sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holding:
        assert holding.stdout is not None
        holding.stdout.readline()
        with pytest.raises(LockedError, match="Open WebUI holds its database"):
            source(webui.path).read(None)
        assert holding.stdin is not None
        holding.stdin.close()
    assert len(everything(source(webui.path))[0]) == 2


def test_a_database_that_is_written_to_is_read_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    webui = WebUI(tmp_path / "webui.db", wal=True)
    webui.put("a", two_turns(), updated_s=T)
    webui.connection.execute("BEGIN IMMEDIATE")  # a writer in the middle
    records, cursor, _ = everything(source(webui.path))
    assert len(records) == 2
    webui.connection.rollback()
    webui.put("b", two_turns(T + 500), updated_s=T + 503)
    assert len(everything(source(webui.path), cursor)[0]) == 2
    webui.close()
    assert os.listdir(tmp_path) == ["webui.db"]  # noqa: PTH208
    everything(source(webui.path))
    assert os.listdir(tmp_path) == ["webui.db"]  # noqa: PTH208


def test_reading_writes_nothing(webui: WebUI) -> None:
    webui.put("c", two_turns(), updated_s=T)
    before = webui.path.read_bytes()
    with (
        foreign_database.reading(webui.path, program="Open WebUI") as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("DELETE FROM chat")
    assert webui.path.read_bytes() == before


def test_the_people_of_a_database_are_told(webui: WebUI, tmp_path: Path) -> None:
    for number, person in enumerate(("b", "a", "b")):
        webui.put(f"c{number}", two_turns(), updated_s=T, user=person)
    assert source(webui.path).people() == ("a", "b")
    assert source(tmp_path / "nowhere.db").people() == ()


def test_old_answers_of_chats_beyond_the_first_look_are_told(webui: WebUI) -> None:
    for number in range(120):  # each was begun at one time, and changed a day after the one before
        webui.put(f"c{number:03d}", two_turns(), updated_s=T + 86_400 * number)
    records, _, batches = everything(source(webui.path, T + 86_400 * 200))
    assert len(batches) > 2
    assert len(records) == 240


def test_the_owner_can_write_while_records_are_made_of_what_was_read(
    webui: WebUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    webui.put("c", two_turns(), updated_s=T)
    webui.rate("r", 1, chat_id="c", message_id="4", updated_s=T + 1)
    owner = sqlite3.connect(webui.path, timeout=0, isolation_level=None)
    written: list[int] = []

    def reading(*args: Any, **named: Any) -> Chat | None:
        owner.execute("UPDATE chat SET title = 'written meanwhile'")  # OperationalError where it is locked
        written.append(1)
        return read_chat(*args, **named)

    monkeypatch.setattr(open_webui, "read_chat", reading)
    records, _, _ = everything(source(webui.path))
    owner.close()
    assert (len(records), len(written)) == (4, 2)


def test_a_look_takes_no_more_of_a_database_than_it_can_hold(
    webui: WebUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        webui.put(f"c{number}", two_turns(), updated_s=T + number)
    monkeypatch.setattr(open_webui, "_BYTES_A_READ", 1)
    records, _, batches = everything(source(webui.path))
    assert len(records) == 12
    assert max(len(batch.records) for batch in batches) == 2


def test_a_very_long_chat_tells_its_beginning_and_how_many_answers_it_left_out(webui: WebUI) -> None:
    turns = [
        turn(str(at), str(at - 1) if at else "", "assistant" if at % 2 else "user", f"say {at}", s=T + at)
        for at in range(600)
    ]
    webui.put("c", chat(*turns), updated_s=T + 600)
    records, _, batches = everything(source(webui.path))
    assert (len(records), sum(batch.too_long for batch in batches)) == (100, 200)
    assert max(len(one.messages) for one in records if isinstance(one, Exchange)) == 199
