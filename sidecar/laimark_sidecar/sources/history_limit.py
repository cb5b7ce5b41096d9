"""How much may come before an answer: each exchange carries its whole history, so a chat grows with the square of its length.

What is longer is left out. The chat's beginning is learned from all the same, and no window for training holds more.
"""

from __future__ import annotations

from collections.abc import Sequence

from laimark_sidecar.journal.exchange import Message

MAX_MESSAGES = 200
MAX_BYTES = 256 << 10


def too_long(messages: Sequence[Message]) -> bool:
    """Whether a history has more than `MAX_MESSAGES` messages or `MAX_BYTES` bytes."""
    return len(messages) > MAX_MESSAGES or sum(map(_size_bytes, messages)) > MAX_BYTES


def _size_bytes(message: Message) -> int:
    return _encoded(message.content) + sum(_encoded(call.arguments) for call in message.tool_calls)


def _encoded(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
