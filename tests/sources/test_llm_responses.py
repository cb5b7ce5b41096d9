from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from laimark_sidecar.journal.exchange import Exchange
from laimark_sidecar.sources.llm_responses import Responses

AGES_AGO = "CREATE TABLE responses (id TEXT, model TEXT, prompt TEXT, system TEXT, response TEXT, conversation_id TEXT, datetime_utc TEXT)"


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:")
    made.text_factory = bytes
    made.execute(AGES_AGO)
    yield made
    made.close()


def test_a_version_without_fragments_and_tokens_is_read(connection: sqlite3.Connection) -> None:
    row = ("r", "m", "Hi", None, "Ho", None, "2023-08-01T00:00:00")
    connection.execute("INSERT INTO responses VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    ((rowid, exchange),) = Responses().after(connection, 0, 10)
    assert isinstance(exchange, Exchange)
    assert (rowid, exchange.answer, exchange.prompt_tokens) == (1, "Ho", 0)
    assert [one.content for one in exchange.messages] == ["Hi"]


def test_calls_outside_a_conversation_have_no_history(connection: sqlite3.Connection) -> None:
    for number in range(2):
        row = (f"r{number}", "m", "Hi", None, "Ho", None, f"2023-08-0{number + 1}T00:00:00")
        connection.execute("INSERT INTO responses VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    found = [exchange for _, exchange in Responses().after(connection, 0, 10)]
    assert [len(one.messages) for one in found if isinstance(one, Exchange)] == [1, 1]
