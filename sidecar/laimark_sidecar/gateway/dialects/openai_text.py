"""OpenAI's text completions: a bare text to be continued, which is no turn of a conversation.

Source: openai-python 2 `types/completion.py`, `types/completion_create_params.py`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from laimark_sidecar.decoding import decode_json
from laimark_sidecar.gateway.dialects.dialect import NO_TURN, Asked, Dialect
from laimark_sidecar.gateway.dialects.draft import Draft, Few
from laimark_sidecar.gateway.dialects.openai_chat import REASONS, Envelope, opened
from laimark_sidecar.gateway.dialects.sampling import Sampled, is_probe, options_of
from laimark_sidecar.journal.exchange import Message


class _Request(Sampled):
    model: str | None = None
    prompt: object = None
    """A text, or a list of texts, tokens or lists of tokens."""
    suffix: str | None = None


class _Choice(msgspec.Struct):
    index: int | None = 0
    text: str | None = None
    finish_reason: str | None = None


class _Event(Envelope):
    choices: Annotated[list[_Choice], Few] | None = None


def bare(prompt: object) -> tuple[Message, ...]:
    """Return the prompt as the one message; none where it is tokens, or several prompts."""
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    return (Message(role="user", content=prompt),) if isinstance(prompt, str) and prompt else ()


def ask(body: bytes) -> Asked:
    """Read a request of `/v1/completions`.

    Raises:
        DataError: not such a request.
    """
    request = decode_json(body, _Request)
    options = options_of(request)
    return Asked(
        model=request.model or "",
        messages=bare(request.prompt),
        options=options | NO_TURN,
        background=bool(request.suffix) or is_probe(options),
    )


def fold(draft: Draft, content: bytes) -> None:
    """Take a completion, or a chunk of one.

    Raises:
        DataError: of another shape.
    """
    event = decode_json(content, _Event)
    opened(draft, event)
    for choice in event.choices or ():
        if choice.index:
            continue
        draft.texts.append(choice.text or "")
        if choice.finish_reason is not None:
            draft.stopped(choice.finish_reason, REASONS)


openai_text = Dialect(name="openai-text", ask=ask, fold=fold)
