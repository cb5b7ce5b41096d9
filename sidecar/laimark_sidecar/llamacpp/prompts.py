"""Prompts as the runner itself renders them, for one that does not use the template of the base's GGUF.

Ollama has templates in a language of its own. What it makes of a conversation is asked of it, kept in a table, and read
from there wherever a template would be: in training, in scoring, in the post-condition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from laimark_sidecar.clock import Clock
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError
from laimark_sidecar.files import write_atomic
from laimark_sidecar.llamacpp.template import Turn

FORMAT_VERSION = 1


class _Table(msgspec.Struct, kw_only=True, frozen=True):
    texts: dict[str, str]
    version: int = FORMAT_VERSION


class RenderedPrompts:
    """A table of conversations; renders those that are in it, as a `ChatTemplate` renders any.

    Args:
        texts: rendered prompt by `key` of its conversation, the begin-of-text token included.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)

    def render(
        self, messages: Sequence[Turn], *, answer_next: bool = True, clock: Clock | None = None
    ) -> str:
        """Return the prompt; dated as the runner dated it.

        Raises:
            DataError: the conversation is not in the table, as where the runner refused it, or it is not the assistant's
                turn next.
        """
        text = self._texts.get(key(messages)) if answer_next else None
        if text is None:
            raise DataError("the runner has not rendered this conversation")
        return text

    def write(self, path: Path) -> None:
        """Write the table; durable when it returns."""
        write_atomic(path, msgspec.json.encode(_Table(texts=self._texts)))

    @classmethod
    def read(cls, path: Path) -> RenderedPrompts:
        """Return the table that `write` wrote.

        Raises:
            DataError: it is missing, damaged or of a newer format.
        """
        try:
            table = decode_json(path.read_bytes(), _Table)
        except (OSError, MalformedError) as error:
            raise DataError(f"the rendered prompts {path} cannot be read: {error}") from error
        if table.version > FORMAT_VERSION:
            raise DataError(f"{path} has format {table.version}, this program reads up to {FORMAT_VERSION}")
        return cls(table.texts)


def key(messages: Sequence[Turn]) -> str:
    """Return what a conversation is found by: a digest of its roles and texts."""
    turns = [(message.role, message.content) for message in messages]
    return hashlib.sha256(msgspec.json.encode(turns)).hexdigest()
