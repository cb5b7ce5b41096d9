"""An answer in the making: what the events of a stream add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from laimark_sidecar.gateway.observing import Ending
from laimark_sidecar.journal.exchange import Finish, ToolCall

Count = Annotated[int, Meta(ge=0, le=2**53)]
"""A number of tokens as servers report it."""
Few = Meta(max_length=10_000)
"""Bound of every list: a body of 16 MiB can hold millions of empty objects, which would hold up the chats for seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, as far as it came."""

    text: str
    thinking: str
    """Told apart by the server; what it left inside the text stays there."""
    tool_calls: tuple[ToolCall, ...]
    finish: Finish
    prompt_tokens: int
    answer_tokens: int
    truncated: bool
    """The server says that it cut the prompt. False also where it does not say."""
    model: str
    """The model that answered, in the server's words; empty where it does not say."""
    id: str
    """What the server calls this answer; empty where it gives it no name."""


@dataclass(slots=True, kw_only=True)
class _Call:
    name: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Draft:
    """Collects pieces; `settled` makes the answer of them."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: dict[int, _Call] = field(default_factory=dict)
    finish: Finish | None = None
    """Why the model stopped, once it said so."""
    failed: bool = False
    """The server reported an error."""
    prompt_tokens: int = 0
    answer_tokens: int = 0
    truncated: bool = False
    model: str = ""
    id: str = ""

    def named(self, *, model: str | None, id: str | None = None) -> None:  # noqa: A002 - the wire's word
        """Take the names of the model and of the answer where an event has them."""
        self.model = model or self.model
        self.id = id or self.id

    def counted(self, *, prompt: int | None, answer: int | None) -> None:
        """Take numbers of tokens; the last ones count."""
        self.prompt_tokens = self.prompt_tokens if prompt is None else prompt
        self.answer_tokens = self.answer_tokens if answer is None else answer

    def call(self, index: int, *, name: str = "", arguments: str = "") -> None:
        """Take a piece of a tool call; pieces of one call come with one index."""
        made = self.calls.setdefault(index, _Call())
        made.name += name
        made.arguments.append(arguments)

    def stopped(self, reason: str, reasons: Mapping[str, Finish]) -> None:
        """Take why the model stopped; a reason that is not known is an error: such an answer is nothing to learn from."""
        self.finish = reasons.get(reason, "error")

    def clear(self) -> None:
        """Forget text, thoughts and calls: a last event repeats the whole answer."""
        self.texts.clear()
        self.thoughts.clear()
        self.calls.clear()

    def settled(self, how: Ending) -> Answer:
        """Return the answer as far as it came.

        A client that hangs up after the model's last word has the whole answer; one that does so before has not. A
        stream that ends without a last word was cut by its server.
        """
        finish: Finish = self.finish or ("aborted" if how == "aborted" else "error")
        return Answer(
            text="".join(self.texts),
            thinking="".join(self.thoughts),
            tool_calls=tuple(
                ToolCall(name=call.name, arguments="".join(call.arguments))
                for _, call in sorted(self.calls.items())
            ),
            finish="error" if self.failed else finish,
            prompt_tokens=self.prompt_tokens,
            answer_tokens=self.answer_tokens,
            truncated=self.truncated,
            model=self.model,
            id=self.id,
        )
