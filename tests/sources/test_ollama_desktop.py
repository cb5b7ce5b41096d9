from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sources.test_open_webui import At
from tests.support.ollama_desktop import OllamaDesktop

from laimark_sidecar.errors import StateError
from laimark_sidecar.journal.exchange import Exchange
from laimark_sidecar.sources.branches import MAX_DEPTH
from laimark_sidecar.sources.foreign_database import ROWS_A_READ
from laimark_sidecar.sources.ollama_desktop import OllamaDesktopSource
from laimark_sidecar.sources.times import seconds

NOON = "2025-10-01 12:00:00.123456789+00:00"
NOON_S = seconds(NOON)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[OllamaDesktop]:
    made = OllamaDesktop(tmp_path / "db.sqlite")
    yield made
    made.close()


def source(app: OllamaDesktop, s: float = NOON_S + 1000) -> OllamaDesktopSource:
    return OllamaDesktopSource(app.path, clock=At(s))


def everything(
    one: OllamaDesktopSource, cursor: bytes | None = None, *, max_lines: int = 1000
) -> tuple[list[Exchange], bytes]:
    found: list[Exchange] = []
    while True:
        batch = one.read(cursor, max_lines=max_lines)
        found += [each for each in batch.records if isinstance(each, Exchange)]
        cursor = batch.cursor
        if not batch.more:
            return found, cursor


@pytest.mark.parametrize("max_lines", [1, 3, 1000])
def test_each_answer_is_told_once_with_its_history(app: OllamaDesktop, max_lines: int) -> None:
    app.say("a", "user", "Hi", at=NOON)
    app.say("b", "user", "Else", at=NOON)
    app.say("a", "assistant", "Ho", at=NOON, thinking="hm")
    app.say("b", "assistant", "Other", at=NOON)
    app.say("a", "user", "On", at=NOON)
    app.say("a", "assistant", "And on", at=NOON)
    found, cursor = everything(source(app), max_lines=max_lines)
    assert [(one.answer, [message.content for message in one.messages]) for one in found] == [
        ("Ho", ["Hi"]),
        ("Other", ["Else"]),
        ("And on", ["Hi", "Ho", "On"]),
    ]
    assert (found[0].thinking, found[0].model, found[0].source) == ("hm", "llama", "ollama-desktop")
    assert found[0].time_s == pytest.approx(NOON_S)
    assert everything(source(app), cursor)[0] == []


def test_an_answer_is_told_when_nothing_more_is_written_to_it(app: OllamaDesktop) -> None:
    app.say("a", "user", "Hi", at=NOON)
    row = app.say("a", "assistant", "H", at=NOON)
    found, cursor = everything(source(app, s=NOON_S + 30))
    assert found == []
    app.execute(
        "UPDATE messages SET content = 'Ho', updated_at = '2025-10-01 12:00:40+00:00' WHERE id = ?", row
    )
    assert everything(source(app, s=NOON_S + 70), cursor)[0] == []
    assert [one.answer for one in everything(source(app, s=NOON_S + 120), cursor)[0]] == ["Ho"]


def test_tool_calls_and_files_are_told(app: OllamaDesktop) -> None:
    asked = app.say("a", "user", "What is it?", at=NOON)
    app.execute(
        "INSERT INTO attachments (message_id, filename, data) VALUES (?, 'x.png', ?)", asked, b"picture"
    )
    called = app.say("a", "assistant", "", at=NOON)
    app.execute(
        "INSERT INTO tool_calls (message_id, type, function_name, function_arguments) VALUES (?, 'function', 'now', '{}')",
        called,
    )
    app.say("a", "tool", "late", at=NOON)
    app.say("a", "assistant", "Late.", at=NOON)
    first, second = everything(source(app))[0]
    assert [(call.name, call.arguments) for call in first.tool_calls] == [("now", "{}")]
    assert first.messages[0].attachments == (hashlib.sha256(b"picture").hexdigest(),)
    assert [(one.role, one.content) for one in second.messages] == [
        ("user", "What is it?"),
        ("assistant", ""),
        ("tool", "late"),
    ]


def test_a_message_without_a_time_is_a_fault_and_the_next_is_read(app: OllamaDesktop) -> None:
    app.say("a", "user", "Hi", at="once")
    app.say("a", "assistant", "Ho", at=NOON)
    batch = source(app).read(None)
    assert [fault.offset for fault in batch.faults] == [1]
    assert len(batch.records) == 1


def test_a_database_that_was_replaced_is_read_from_its_start(tmp_path: Path) -> None:
    before = OllamaDesktop(tmp_path / "db.sqlite")
    for _ in range(3):
        before.say("a", "user", "Hi", at=NOON)
        before.say("a", "assistant", "Ho", at=NOON)
    before.close()
    _, cursor = everything(source(before))
    before.path.unlink()
    after = OllamaDesktop(tmp_path / "db.sqlite")
    after.say("b", "user", "New", at=NOON)
    after.say("b", "assistant", "Newer", at=NOON)
    found, cursor = everything(source(after), cursor)
    assert [one.answer for one in found] == ["Newer"]
    assert everything(source(after), cursor)[0] == []
    after.close()


def test_a_chat_without_end_stops_being_told_and_the_next_is_read(app: OllamaDesktop) -> None:
    app.connection.executemany(
        "INSERT INTO messages (chat_id, role, content, created_at, updated_at) VALUES ('a', ?, 'x', ?, ?)",
        [("user", NOON, NOON), *[("assistant", NOON, NOON)] * (MAX_DEPTH + 1)],
    )
    app.say("b", "user", "Hi", at=NOON)
    app.say("b", "assistant", "Ho", at=NOON)
    batches = [source(app).read(None, max_lines=10_000)]
    while batches[-1].more:
        batches.append(source(app).read(batches[-1].cursor, max_lines=10_000))
    assert sum(len(batch.records) for batch in batches) == MAX_DEPTH + 1
    assert [fault.offset for batch in batches for fault in batch.faults] == [MAX_DEPTH + 2]
    assert max(len(batch.records) for batch in batches) <= ROWS_A_READ


def test_another_database_is_a_clear_error(tmp_path: Path) -> None:
    app = OllamaDesktop(tmp_path / "db.sqlite")
    app.execute("ALTER TABLE messages RENAME COLUMN thinking TO thoughts")
    app.close()
    with pytest.raises(StateError, match="table messages lacks thinking"):
        source(app).read(None)


def test_no_database_yet_is_an_empty_log(tmp_path: Path) -> None:
    assert OllamaDesktopSource(tmp_path).read(None).records == ()
