from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import llm
import pytest
from tests.support.llm_log import LlmLog

from laimark_sidecar.errors import StateError
from laimark_sidecar.journal.exchange import Exchange
from laimark_sidecar.sources.branches import MAX_DEPTH
from laimark_sidecar.sources.llm_logs import LlmSource

BEGAN = "2025-10-01T12:00:00+00:00"
ULID = "01k6fgh400aaaaaaaaaaaaaaaa"  # 2025-10-01T12:00:00Z


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LlmLog]:
    made = LlmLog(tmp_path / "logs.db")
    yield made
    made.close()


def everything(
    source: LlmSource, cursor: bytes | None = None, *, max_lines: int = 1000
) -> tuple[list[Exchange], bytes, list[str]]:
    records: list[Exchange] = []
    faults: list[str] = []
    while True:
        batch = source.read(cursor, max_lines=max_lines)
        records += [one for one in batch.records if isinstance(one, Exchange)]
        faults += [fault.reason for fault in batch.faults]
        cursor = batch.cursor
        if not batch.more:
            return records, cursor, faults


def said(exchange: Exchange) -> list[tuple[str, str]]:
    return [(one.role, one.content) for one in exchange.messages]


def test_each_call_is_an_exchange_with_its_history(log: LlmLog) -> None:
    log.chat(("Hi", "Ho"), ("More", "Much more"), system="Be brief.")
    first, second = everything(LlmSource(log.path))[0]
    assert (said(first), first.answer) == ([("system", "Be brief."), ("user", "Hi")], "Ho")
    history = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Ho"), ("user", "More")]
    assert (said(second), second.answer) == (history, "Much more")
    assert (first.source, first.client, first.model) == ("llm", "llm", "saying")
    assert (first.prompt_tokens, first.answer_tokens) == (3, 2)


@pytest.mark.parametrize("max_lines", [1, 2, 1000])
def test_batches_of_any_size_tell_the_same_once_and_then_only_what_is_new(
    log: LlmLog, max_lines: int
) -> None:
    log.old(*((f"r{n}", "m", f"p{n}", "", f"a{n}", f"c{n}", BEGAN) for n in range(5)))
    log.chat(("Hi", "Ho"), ("More", "Much more"))
    records, cursor, faults = everything(LlmSource(log.path), max_lines=max_lines)
    assert [one.answer for one in records] == ["a0", "a1", "a2", "a3", "a4", "Ho", "Much more"]
    assert faults == []
    log.chat(("New", "Newer"))
    assert [one.answer for one in everything(LlmSource(log.path.parent), cursor)[0]] == ["Newer"]


def test_fragments_stand_in_the_prompt_where_the_model_saw_them(log: LlmLog) -> None:
    log.chat(("Explain", "It says x"), fragments=["a long text of somebody else"])
    log.chat(("Explain again", "It still does"), fragments=["a long text of somebody else"])
    first, second = everything(LlmSource(log.path))[0]
    assert said(first) == [("user", "a long text of somebody else\nExplain")]
    assert said(second) == [("user", "a long text of somebody else\nExplain again")]


def test_an_attachment_is_told_by_its_digest(log: LlmLog) -> None:
    picture = llm.Attachment(type="image/png", content=b"picture")
    log.chat(("What is it?", "A dot"), attachments=[picture])
    (exchange,) = everything(LlmSource(log.path))[0]
    assert said(exchange) == [("user", "What is it?")]
    assert exchange.messages[0].attachments == (picture.id(),)


def test_histories_of_the_old_table_are_put_together_from_its_rows(log: LlmLog) -> None:
    log.old(
        ("r1", "m", "Hi", "Be brief.", "Ho", ULID, BEGAN),
        ("r2", "m", "Else", "", "Other", "another", BEGAN),
        ("r3", "m", "More", "", "Much more", ULID, "2025-10-03T12:00:00+00:00"),
    )
    first, _, third = everything(LlmSource(log.path))[0]
    history = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Ho"), ("user", "More")]
    assert said(third) == history
    # a new process that begins in the middle of the conversation knows as much
    _, cursor, _ = _first_two(LlmSource(log.path))
    (again,) = everything(LlmSource(log.path), cursor)[0]
    assert again == third
    assert first.time_s == 1_759_320_000


def _first_two(source: LlmSource) -> tuple[list[Exchange], bytes, list[str]]:
    batch = source.read(None, max_lines=2)
    assert len(batch.records) == 2
    return [], batch.cursor, []


def test_a_row_without_a_time_is_a_fault_and_the_next_is_read(log: LlmLog) -> None:
    log.old(("r1", "m", "Hi", "", "Ho", "c", "yesterday"), ("r2", "m", "Hi", "", "Hey", "d", BEGAN))
    records, _, faults = everything(LlmSource(log.path))
    assert [one.answer for one in records] == ["Hey"]
    assert faults == ["datetime_utc is 'yesterday'"]


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM messages WHERE parent_hash IS NULL",
        "UPDATE messages SET parent_hash = hash",
        "UPDATE turns SET tip_message_hash = 'nobody'",
        "UPDATE turns SET datetime_utc = NULL",
        'UPDATE parts SET text = NULL, payload = \'{"text_ref": [{"fragment": 99}]}\'',
        'UPDATE parts SET text = NULL, payload = \'{"text_ref": [{"fragment": [1]}]}\'',
        f'UPDATE parts SET text = NULL, payload = \'{{"text_ref": [{{"fragment": {10**40}}}]}}\'',
        "UPDATE parts SET text = NULL, payload = '[[['",
    ],
)
def test_a_damaged_chain_is_a_fault_and_the_next_call_is_read(log: LlmLog, damage: str) -> None:
    log.chat(("Hi", "Ho"))
    connection = sqlite3.connect(log.path)
    connection.execute(damage)
    connection.commit()
    connection.close()
    log.chat(("Other", "Else"))
    records, _, faults = everything(LlmSource(log.path))
    assert [one.answer for one in records] == ["Else"]
    assert len(faults) == 1


def test_a_log_that_was_replaced_is_read_from_its_start(tmp_path: Path) -> None:
    before = LlmLog(tmp_path / "logs.db")
    before.old(*((f"r{n}", "m", f"p{n}", "", f"a{n}", f"c{n}", BEGAN) for n in range(5)))
    before.chat(("Hi", "Ho"), ("More", "Much more"))
    before.close()
    _, cursor, _ = everything(LlmSource(before.path))
    before.path.unlink()
    after = LlmLog(tmp_path / "logs.db")
    after.old(("s0", "m", "New", "", "Newer", "c0", BEGAN))
    after.chat(("Again", "And again"))
    after.close()
    records, cursor, _ = everything(LlmSource(after.path), cursor)
    assert [one.answer for one in records] == ["Newer", "And again"]
    assert everything(LlmSource(after.path), cursor)[0] == []


def test_a_log_that_was_packed_after_rows_were_deleted_loses_nothing(log: LlmLog) -> None:
    log.old(*((f"r{n}", "m", f"p{n}", "", f"a{n}", f"c{n}", BEGAN) for n in range(5)))
    _, cursor, _ = everything(LlmSource(log.path))
    connection = sqlite3.connect(log.path)
    connection.execute("DELETE FROM responses WHERE id IN ('r0', 'r1', 'r2')")
    connection.commit()
    connection.execute("VACUUM")
    connection.close()
    log.old(("r5", "m", "New", "", "Newer", "c5", BEGAN))
    assert [one.answer for one in everything(LlmSource(log.path), cursor)[0]][-1] == "Newer"


def test_a_conversation_without_end_stops_being_told_and_the_next_is_read(log: LlmLog) -> None:
    log.old(*((f"r{n:04}", "m", f"p{n}", "", f"a{n}", "endless", BEGAN) for n in range(MAX_DEPTH)))
    log.old(("s", "m", "Hi", "", "Ho", "c", BEGAN))
    records, _, faults = everything(LlmSource(log.path))
    assert [one.answer for one in records] == [*(f"a{n}" for n in range(MAX_DEPTH // 2 + 1)), "Ho"]
    assert len(faults) == MAX_DEPTH // 2 - 1


def test_another_database_is_a_clear_error(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "logs.db").execute("CREATE TABLE other (x)").connection.close()
    with pytest.raises(StateError, match="neither of llm's tables"):
        LlmSource(tmp_path / "logs.db").read(None)


def test_no_log_yet_is_an_empty_one(tmp_path: Path) -> None:
    assert LlmSource(tmp_path / "logs.db").read(None).records == ()
