"""Writes a `db.sqlite` as Ollama's desktop app lays it out (app/store/database.go, schema version 18; what is read of it)."""

from __future__ import annotations

import sqlite3
from pathlib import Path

TABLES = (
    "CREATE TABLE chats (id TEXT PRIMARY KEY, title TEXT NOT NULL DEFAULT '', created_at TIMESTAMP, browser_state TEXT)",
    "CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, chat_id TEXT NOT NULL, role TEXT NOT NULL,"
    " content TEXT NOT NULL DEFAULT '', thinking TEXT NOT NULL DEFAULT '', stream BOOLEAN NOT NULL DEFAULT 0,"
    " model_name TEXT, created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,"
    " updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, tool_result TEXT)",
    "CREATE TABLE tool_calls (id INTEGER PRIMARY KEY AUTOINCREMENT, message_id INTEGER NOT NULL, type TEXT NOT NULL,"
    " function_name TEXT NOT NULL, function_arguments TEXT NOT NULL, function_result TEXT)",
    "CREATE TABLE attachments (id INTEGER PRIMARY KEY AUTOINCREMENT, message_id INTEGER NOT NULL, filename TEXT NOT NULL,"
    " data BLOB NOT NULL)",
)


class OllamaDesktop:
    """A database that a test fills."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = sqlite3.connect(path)
        self.connection.execute("PRAGMA journal_mode = WAL")
        for table in TABLES:
            self.connection.execute(table)
        self.connection.commit()

    def say(self, chat_id: str, role: str, content: str, *, at: str, thinking: str = "") -> int:
        """Insert a message; returns its row."""
        row = self.connection.execute(
            "INSERT INTO messages (chat_id, role, content, thinking, model_name, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (chat_id, role, content, thinking, "llama" if role == "assistant" else None, at, at),
        ).fetchone()
        self.connection.commit()
        return int(row[0])

    def execute(self, statement: str, *values: object) -> None:
        self.connection.execute(statement, values)
        self.connection.commit()

    def close(self) -> None:
        self.connection.close()
