"""What the training base's own tokenizer makes of text, told apart from conversations and lessons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from laimark_sidecar.llamacpp.template import ChatTemplate


class TextTokens(Protocol):
    """A tokenizer and the chat template that belongs to it. Only `prompt` adds a token that is not in the text."""

    @property
    def template(self) -> ChatTemplate: ...

    def ids(self, text: str) -> list[int]:
        """Return the tokens of rendered text: `<|im_end|>` and the like are control tokens."""
        ...

    def prompt(self, text: str) -> list[int]:
        """Return the tokens of a rendered prompt, begin-of-text included where the served model wants one."""
        ...

    def plain(self, text: str) -> tuple[list[int], Sequence[tuple[int, int]]] | None:
        """Return the tokens of an answer and the character range `[start, end)` of each; `<|im_end|>` is text here.

        None where tokens and characters cannot be matched.
        """
        ...

    def is_special(self, token: int) -> bool:
        """Tell whether a token is one of those that end or divide turns."""
        ...
