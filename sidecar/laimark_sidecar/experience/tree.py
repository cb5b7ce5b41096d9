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
from laimark_sidecar.replay.item import Item


class Answers(Protocol):
    """What was answered before. The replay store and the journal know it; this part only asks."""

    def answers(self, prefix: str) -> tuple[Answered, ...]:
        """Return every remembered answer to the messages with this prefix id."""
        ...

    def twins(self, pairs: Sequence[str], *, since_s: float, until_s: float) -> tuple[Answered, ...]:
        """Return the remembered answers of these pairs between two times, both included."""
        ...

    def early_feedback(self, exchange_ids: Sequence[str]) -> tuple[Feedback, ...]:
        """Return the feedback that came before any of these exchanges."""
        ...

    def made_by(self, exchange_id: str) -> tuple[Item, ...]:
        """Return the lessons that reading this exchange, or feedback on it, brought and that nobody has trained on."""
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
        beside = beside_text(message) if message.tool_calls or message.attachments else b""
        parent = message_id(parent, message.role, message.content, beside)
        ids.append(parent)
    return tuple(ids)


def prefix(messages: Sequence[Message]) -> str:
    """Return the id of the last message, empty for none: the key under which answers to `messages` are remembered."""
    return last_of(chain(messages))


def last_of(ids: Sequence[str]) -> str:
    """Return the prefix id, given the chain."""
    return ids[-1] if ids else ""


def root_prompt(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the user's first message, all messages where there is none: the same for every branch of a conversation.

    System prompts do not count: clients write the date into them, which between two turns of one conversation would
    move the same lesson from the side that judges to the side that is learned.
    """
    asked = next((message for message in messages if message.role == "user"), None)
    return tuple(messages) if asked is None else (asked,)
