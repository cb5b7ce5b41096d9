"""What a dialect is: one way to ask a model over HTTP, read as the journal needs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from laimark_sidecar.gateway.dialects.draft import Draft
from laimark_sidecar.journal.exchange import Message

Options = dict[str, float | int | str | bool | None]

NO_TURN: Options = {"endpoint": "completions"}
"""The option by which whoever learns tells that this is no turn of a conversation, or not the whole of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks. No messages: nothing was asked (Ollama loads a model that way)."""

    model: str
    """Empty where the client left it to the server."""
    messages: tuple[Message, ...]
    options: Options = field(default_factory=dict)
    background: bool = False
    """The wire proves that no user typed this: code to be filled in, or an answer of one token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A pair of pure functions."""

    name: str
    ask: Callable[[bytes], Asked]
    """Reads a whole request body; raises DataError where it is not one, without repeating its text."""
    fold: Callable[[Draft, bytes], None]
    """Takes one JSON object of the answer: its only one, or an event of its stream; raises DataError."""
    tells_length: bool = True
    """Whether servers say that an answer was cut at the number of tokens that was asked for."""
