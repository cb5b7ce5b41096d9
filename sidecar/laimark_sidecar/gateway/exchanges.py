"""One exchange in the making, off the event loop: from the bytes that passed to a record, if it may be one."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from laimark_sidecar.errors import DataError
from laimark_sidecar.gateway.clients import client_of
from laimark_sidecar.gateway.dialects.dialect import Asked, Dialect
from laimark_sidecar.gateway.dialects.draft import Answer
from laimark_sidecar.gateway.dialects.encoding import decoder_of
from laimark_sidecar.gateway.dialects.reading import AnswerReader
from laimark_sidecar.gateway.observing import Ending, Head
from laimark_sidecar.journal.exchange import Exchange, Finish

SOURCE = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """What stands behind a model's name at a moment; empty fields are not known."""

    base_sha256: str = ""
    adapter_version: str = ""
    """Immutable name; empty for the base."""


class Permits(Protocol):
    """Whether an exchange may be recorded."""

    @property
    def on(self) -> bool:
        """Whether anything is recorded now."""
        ...

    def __call__(self, *, model: str, client: str, head: Head, since_s: float) -> bool:
        """Decide by the model's name, the client's (`client_of`), the request's head and when it began.

        Called off the event loop.
        """
        ...


Versions = Callable[[str], Answering]
"""Tells what answers to a model's name now; called off the event loop, when the request is whole."""


class Making:
    """Takes what passed in its order; gives the record at the end.

    Every method but `end` says whether to go on: False means that nothing of this is to be recorded. All raise
    DataError where the bytes are not what the path promises.
    """

    def __init__(
        self, *, dialect: Dialect, head: Head, time_s: float, permits: Permits, versions: Versions
    ) -> None:
        # The client is told the id before there is any content: it is random, not its hash.
        self.id = secrets.token_hex(16)
        self._dialect = dialect
        self._head = head
        self._time_s = time_s
        self._permits = permits
        self._versions = versions
        self._asked: Asked | None = None
        self._answering = Answering()
        self._reader: AnswerReader | None = None
        self._request_bytes = 0

    @property
    def unpacked_bytes(self) -> int:
        """How many bytes what passed so far stands for."""
        return self._request_bytes + (self._reader.size if self._reader else 0)

    def ask(self, body: bytes) -> bool:
        """Take the whole request."""
        decoder = decoder_of(self._head.header("content-encoding"))
        request = decoder.feed(body)
        self._request_bytes = len(request)
        asked = self._dialect.ask(request)
        if not asked.messages or (asked.model and not self._permitted(asked.model)):
            return False
        self._asked = asked
        self._answering = self._versions(asked.model)
        return True

    def answering(self, head: Head) -> bool:
        """Take the head of the answer."""
        self._reader = AnswerReader(self._dialect, head)
        return True

    def answered(self, chunk: bytes) -> bool:
        """Take a piece of the answer's body."""
        if self._reader is None:
            raise DataError("an answer began without its head")
        self._reader.feed(chunk)
        return True

    def end(self, how: Ending) -> tuple[Exchange, Answer] | None:
        """Return the record, and the answer that it holds; None where it may not be recorded."""
        if self._asked is None or self._reader is None:
            return None
        answer = self._reader.finish(how)
        # Asked again at the end: consent that was withdrawn meanwhile holds. A server with one model needs no name in a
        # request: consent is to the model that answered.
        if not self._permitted(self._asked.model or answer.model):
            return None
        return self._record(self._asked, answer), answer

    def _permitted(self, model: str) -> bool:
        return self._permits(model=model, client=client_of(self._head), head=self._head, since_s=self._time_s)

    def _record(self, asked: Asked, answer: Answer) -> Exchange:
        context = asked.options.get("num_ctx")
        full = isinstance(context, int | float) and 0 < context <= answer.prompt_tokens
        return Exchange(
            id=self.id,
            time_s=self._time_s,
            source=SOURCE,
            client=client_of(self._head),
            model=asked.model or answer.model,
            base_sha256=self._answering.base_sha256,
            adapter_version=self._answering.adapter_version,
            messages=asked.messages,
            answer=answer.text,
            finish=self._finish(asked, answer),
            prompt_tokens=answer.prompt_tokens,
            answer_tokens=answer.answer_tokens,
            truncated=answer.truncated or full,
            options=asked.options,
            thinking=answer.thinking,
            tool_calls=answer.tool_calls,
            background=asked.background,
        )

    def _finish(self, asked: Asked, answer: Answer) -> Finish:
        most = asked.options.get("max_tokens")
        cut = isinstance(most, int | float) and 0 < most <= answer.answer_tokens
        if cut and answer.finish == "stop" and not self._dialect.tells_length:
            return "length"
        return answer.finish
