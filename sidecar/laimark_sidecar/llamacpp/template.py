"""Renders a conversation with the model's own chat template: the same text as transformers' `apply_chat_template`.

Source: transformers 5.17, `utils/chat_template_utils.py`. A template is code that came with a downloaded model: it runs
in a sandbox that bounds what it may do, and how much of it (`sandbox.py`).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser

from laimark_sidecar.clock import Clock, SystemClock
from laimark_sidecar.errors import DataError
from laimark_sidecar.llamacpp.sandbox import BoundedEnvironment, bounded, in_time

# What a template's own code can raise: the last three where it recurses, or asks for more memory than there is, or nests
# more loops than Python compiles.
_FAILURES = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
    MemoryError,
    SyntaxError,
)


class Turn(Protocol):
    """One message of a conversation."""

    @property
    def role(self) -> str: ...
    @property
    def content(self) -> str: ...


class PromptTemplate(Protocol):
    """Makes prompts of conversations."""

    def render(
        self, messages: Sequence[Turn], *, answer_next: bool = True, clock: Clock | None = None
    ) -> str:
        """Return the prompt; raises DataError where the conversation is refused."""
        ...


class _ReferenceClock:
    def now_s(self) -> float:
        return 1767268800.0  # 2026-01-01, noon UTC: the same date nearly everywhere

    def monotonic_s(self) -> float:
        return 0.0


REFERENCE_CLOCK: Clock = _ReferenceClock()
"""Stands still. What the sidecar itself asks (training, scores, fingerprints) must read the same on every day, though
some templates print the date: else no version would pass its post-condition the day after."""


class _Generation(Extension):
    """Accepts `{% generation %}`, which marks the assistant's tokens for training and prints its body unchanged."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it as an instance variable

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class ChatTemplate:
    """A compiled template with the special tokens that it may print.

    Args:
        source: jinja2 text, as in the GGUF's `tokenizer.chat_template`.
        bos: text of the begin-of-text token.
        eos: text of the end-of-text token.
        clock: for templates that print today's date.

    Raises:
        DataError: the model has no template, or one that does not compile.
    """

    def __init__(self, source: str, *, bos: str = "", eos: str = "", clock: Clock | None = None) -> None:
        if not source:
            raise DataError(
                "the base model has no chat template, so it cannot chat",
                hint="use /v1/completions, or a base whose GGUF has tokenizer.chat_template",
            )
        try:
            self._template = _compile(source, clock or SystemClock())
        except _FAILURES as error:
            raise DataError(f"the base model's chat template does not compile: {_told(error)}") from error
        self._bos = bos
        self._eos = eos

    def render(
        self, messages: Sequence[Turn], *, answer_next: bool = True, clock: Clock | None = None
    ) -> str:
        """Return the prompt.

        Args:
            messages: the conversation.
            answer_next: end with the header of the assistant's turn (`add_generation_prompt`).
            clock: for the date, in place of the template's own.

        Raises:
            DataError: the template refuses this conversation, for example two user turns in a row, or passes a bound
                of `sandbox.py`; says why.
        """
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            with in_time():
                return self._template.render(
                    messages=turns,
                    tools=None,
                    documents=None,
                    add_generation_prompt=answer_next,
                    bos_token=self._bos,
                    eos_token=self._eos,
                    **({} if clock is None else {"strftime_now": _strftime_now(clock)}),
                )
        except _FAILURES as error:
            raise DataError(f"the chat template refuses this conversation: {_told(error)}") from error


def _compile(source: str, clock: Clock) -> Template:
    environment = BoundedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = bounded(_tojson)
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now(clock)
    return environment.from_string(source)


def _told(error: BaseException) -> str:
    return str(error) or type(error).__name__  # a MemoryError says nothing


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _tojson(value: Any, **options: Any) -> str:
    # jinja2's own filter escapes HTML characters, which no model was trained on.
    return functools.partial(json.dumps, ensure_ascii=False)(value, **options)


def _strftime_now(clock: Clock) -> Callable[[str], str]:
    def strftime_now(pattern: str) -> str:
        return datetime.fromtimestamp(clock.now_s()).astimezone().strftime(pattern)

    return strftime_now
