"""Real logs of simonw/llm: its own package writes them, answered by a model that says what a test tells it to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llm
import sqlite_utils
from llm.migrations import migrate

OLD_ROW = "INSERT INTO responses (id, model, prompt, system, response, conversation_id, datetime_utc) VALUES (?, ?, ?, ?, ?, ?, ?)"


class Saying(llm.Model):
    """Answers with the texts it was made with, one after another."""

    model_id = "saying"
    can_stream = False
    supports_tools = True
    attachment_types = frozenset({"image/png"})

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any = None) -> Iterator[str]:
        response.set_usage(input=3, output=2)
        yield self._answers.pop(0)


class LlmLog:
    """A `logs.db` as llm's own migrations make it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = sqlite_utils.Database(path)
        migrate(self._database)

    def chat(self, *turns: tuple[str, str], **options: Any) -> None:
        """Hold a conversation and log each call, as `llm chat` does."""
        conversation = Saying(*(answer for _, answer in turns)).conversation()
        for asked, _ in turns:
            response = conversation.prompt(asked, **options)
            response.text()
            response.log_to_db(self._database)

    def old(self, *rows: tuple[str, ...]) -> None:
        """Insert rows of `responses`, as llm before 0.32 did."""
        connection = sqlite3.connect(self.path)
        connection.executemany(OLD_ROW, rows)
        connection.commit()
        connection.close()

    def close(self) -> None:
        self._database.close()
