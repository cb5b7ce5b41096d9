from __future__ import annotations

import sqlite3
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from laimark_sidecar.journal.exchange import Exchange, decode, encode
from laimark_sidecar.sources.llm_turns import turns

TABLES = (
    "CREATE TABLE turns (id, parent_message_hash, tip_message_hash, model, resolved_model, input_tokens, output_tokens, datetime_utc)",
    "CREATE TABLE messages (hash TEXT PRIMARY KEY, parent_hash, role)",
    "CREATE TABLE parts (id INTEGER PRIMARY KEY, message_hash, position, type, text, payload)",
    "CREATE TABLE fragments (id INTEGER PRIMARY KEY, content)",
)
KINDS = ["text", "reasoning", "tool_call", "tool_result", "attachment", "hologram"]
values = (
    st.none()
    | st.text('ab{}[]":,', max_size=12)
    | st.sampled_from(
        [
            '{"name":"f","arguments":{"a":1}}',
            '{"output":"o"}',
            '{"text_ref":[{"literal":"x"},{"fragment":1}]}',
            "[" * 5000,
        ]
    )
)


@settings(max_examples=60)
@given(parts=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(KINDS), values, values), max_size=6))
def test_whatever_parts_there_are_a_row_is_an_exchange_or_says_why_not(
    parts: list[tuple[str, str, str | None, str | None]],
) -> None:
    connection = sqlite3.connect(":memory:")
    connection.text_factory = bytes
    for table in TABLES:
        connection.execute(table)
    connection.execute("INSERT INTO turns VALUES ('t', 'a', 'b', 'm', NULL, 1, 1, '2026-01-01T00:00:00')")
    connection.execute("INSERT INTO messages VALUES ('a', NULL, 'user'), ('b', 'a', 'assistant')")
    connection.executemany(
        "INSERT INTO parts (message_hash, position, type, text, payload) VALUES (?, 0, ?, ?, ?)", parts
    )
    ((_, found),) = turns(connection, 0, 10)
    connection.close()
    assert decode(encode(found)) == found if isinstance(found, Exchange) else found.startswith("turn t: ")


def test_thinking_and_tool_calls_are_kept_apart(tmp_path: Path) -> None:
    connection = sqlite3.connect(":memory:")
    connection.text_factory = bytes
    for table in TABLES:
        connection.execute(table)
    connection.execute("INSERT INTO turns VALUES ('t', 'a', 'b', 'm', 'm2', 1, 1, '2026-01-01T00:00:00')")
    connection.execute("INSERT INTO messages VALUES ('a', NULL, 'user'), ('b', 'a', 'assistant')")
    connection.executemany(
        "INSERT INTO parts (message_hash, position, type, text, payload) VALUES (?, ?, ?, ?, ?)",
        [
            ("a", 0, "text", "What time?", None),
            ("b", 0, "reasoning", "I need a clock", None),
            ("b", 1, "tool_call", None, '{"name":"now","arguments":{"zone":"UTC"}}'),
            ("b", 2, "text", "Late.", None),
        ],
    )
    ((_, found),) = turns(connection, 0, 10)
    connection.close()
    assert isinstance(found, Exchange)
    assert (found.thinking, found.answer, found.model) == ("I need a clock", "Late.", "m2")
    assert [(one.name, one.arguments) for one in found.tool_calls] == [("now", '{"zone":"UTC"}')]
