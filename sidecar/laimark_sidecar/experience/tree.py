"""The conversation tree: a message is identified by its content and by everything before it.

Every request carries its whole history, so conversations, branches, regenerations (one prefix answered more than
once) and edits (a message that no answer to its prefix equals) fall out of the ids; clients need not tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol

from laimark_sidecar.experience.thinking import strip_thinking
from laimark_sidecar.journal.exchange import Exchange, Feedback, Message, Role, beside_text
from laimark_sidecar.replay.answered import Answered


class Answers(Protocol):
    """What was answered before. The replay store and the journal know it; this part only asks."""

    def answers(self, prefix: str) -> tuple[Answered, ...]:
        """Return every remembered answer to the messages with this prefix id."""
        ...

    def twins(self, pair: str, *, around_s: float, within_s: float) -> tuple[Answered, ...]:
        """Return the remembered answers of this pair at most `within_s` from `around_s`."""
        ...

    def early_feedback(self, exchange_id: str) -> tuple[Feedback, ...]:
        """Return the feedback that came before this exchange."""
        ...

    def exchange(self, exchange_id: str) -> Exchange | None:
        """Return an earlier exchange with its messages, if it is still known."""
        ...


def canonical(role: Role, content: str) -> str:
    """Return what identifies a message: clients trim white space and leave the thinking of answers out."""
    return (strip_thinking(content) if role == "assistant" else content).strip()


def message_id(parent: str, role: Role, content: str, beside: bytes = b"") -> str:
    """Return the id of a message after `parent` (an id; empty for none): 32 hex digits of sha256.

    `beside` is the message's `beside_text`: two images under one question are two questions.
    """
    text = f"{parent}\0{role}\0{canonical(role, content)}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    if beside:
        digest.update(b"\0" + beside)
    return digest.hexdigest()[:32]


def chain(messages: Iterable[Message]) -> tuple[str, ...]:
    """Return the id of each message, given those before it."""
    ids: list[str] = []
    parent = ""
    for message in messages:
        parent = message_id(parent, message.role, message.content, beside_text(message))
        ids.append(parent)
    return tuple(ids)


def prefix(messages: Sequence[Message]) -> str:
    """Return the id of the last message, empty for none: the key under which answers to `messages` are remembered."""
    return chain(messages)[-1] if messages else ""


def root_prompt(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the user's first message, all messages where there is none: the same for every branch of a conversation.

    System prompts do not count: clients write the date into them, which between two turns of one conversation would
    move the same lesson from the side that judges to the side that is learned.
    """
    asked = next((message for message in messages if message.role == "user"), None)
    return tuple(messages) if asked is None else (asked,)
