"""Writes a `webui.db` as Open WebUI lays it out: chats with their tree of messages, and ratings."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

CHAT = (
    "CREATE TABLE chat (id TEXT PRIMARY KEY, user_id TEXT, title TEXT, chat JSON, created_at BIGINT, updated_at BIGINT,"
    " share_id TEXT, archived BOOLEAN, pinned BOOLEAN, meta JSON, folder_id TEXT)"
)
FEEDBACK = (
    "CREATE TABLE feedback (id TEXT PRIMARY KEY, user_id TEXT, version BIGINT, type TEXT, data JSON, meta JSON,"
    " snapshot JSON, created_at BIGINT, updated_at BIGINT)"
)
CHAT_MESSAGE = (
    "CREATE TABLE chat_message (id TEXT PRIMARY KEY, chat_id TEXT, user_id TEXT, role TEXT, parent_id TEXT, content JSON,"
    " output JSON, model_id TEXT, files JSON, sources JSON, embeds JSON, meta JSON, done BOOLEAN, status_history JSON,"
    " error JSON, usage JSON, context_summary TEXT, created_at BIGINT, updated_at BIGINT)"
)


class WebUI:
    """A database that a test fills."""

    def __init__(self, path: Path, *, tables: tuple[str, ...] = (CHAT, FEEDBACK), wal: bool = False) -> None:
        self.path = path
        self.connection = sqlite3.connect(path)
        if wal:
            self.connection.execute("PRAGMA journal_mode = WAL")
        for table in tables:
            self.connection.execute(table)
        self.connection.commit()

    def put(self, chat_id: str, body: Any, *, updated_s: int, user: str = "u1") -> None:
        """Insert or replace a chat, as saving it does."""
        self.connection.execute(
            "INSERT OR REPLACE INTO chat (id, user_id, chat, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
            (
                chat_id,
                user,
                body if isinstance(body, (str, bytes)) else json.dumps(body),
                updated_s,
                updated_s,
            ),
        )
        self.connection.commit()

    def rate(self, row_id: str, rating: object, *, chat_id: str, message_id: str, updated_s: int) -> None:
        """Give a thumb, or take it back."""
        self.connection.execute(
            "INSERT OR REPLACE INTO feedback (id, type, data, meta, updated_at) VALUES (?, 'rating', ?, ?, ?)",
            (
                row_id,
                json.dumps({"rating": rating, "model_id": "m"}),
                json.dumps({"chat_id": chat_id, "message_id": message_id}),
                updated_s,
            ),
        )
        self.connection.commit()

    def message(self, chat_id: str, message_id: str, **columns: Any) -> None:
        """Insert a row of `chat_message`."""
        row = {"id": f"{chat_id}-{message_id}", "chat_id": chat_id, "done": True, **columns}
        row["content"] = json.dumps(row["content"])
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        self.connection.execute(f"INSERT INTO chat_message ({names}) VALUES ({marks})", tuple(row.values()))
        self.connection.commit()

    def close(self) -> None:
        self.connection.close()


def turn(key: str, parent: str, role: str, content: Any, *, s: float, **more: Any) -> dict[str, Any]:
    """Return one message of the tree."""
    return {
        "id": key,
        "parentId": parent or None,
        "childrenIds": [],
        "role": role,
        "content": content,
        "timestamp": s,
        **({"model": "llama", "done": True} if role == "assistant" else {}),
        **more,
    }


def chat(*turns: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the JSON of a chat."""
    return {"history": {"messages": {one["id"]: one for one in turns}, "currentId": turns[-1]["id"]}, **more}
