"""llama-server's own completion and infill: bare text, and code with a gap.

Source: llama.cpp `tools/server/README.md` and `tools/server/server-task.cpp`. It is the one protocol that says whether
the prompt was cut (`truncated`).
"""

from __future__ import annotations

import msgspec

from laimark_sidecar.decoding import decode_json
from laimark_sidecar.gateway.dialects.dialect import NO_TURN, Asked, Dialect
from laimark_sidecar.gateway.dialects.draft import Count, Draft
from laimark_sidecar.gateway.dialects.openai_text import bare
from laimark_sidecar.gateway.dialects.sampling import Sampled, is_probe, options_of
from laimark_sidecar.journal.exchange import Finish, Message

_REASONS: dict[str, Finish] = {"eos": "stop", "word": "stop", "limit": "length"}


class _Request(Sampled):
    model: str | None = None
    prompt: object = None
    input_prefix: str | None = None
    input_suffix: str | None = None


class _Event(msgspec.Struct):
    index: int | None = 0
    content: str | None = None
    stop: bool | None = None
    stop_type: str | None = None
    model: str | None = None
    truncated: bool | None = None
    tokens_evaluated: Count | None = None
    tokens_predicted: Count | None = None
    error: object = None


def ask_completion(body: bytes) -> Asked:
    """Read a request of `/completion`.

    Raises:
        DataError: not such a request.
    """
    request = decode_json(body, _Request)
    options = options_of(request)
    return Asked(
        model=request.model or "",
        messages=bare(request.prompt),
        options=options | NO_TURN,
        background=is_probe(options),
    )


def ask_infill(body: bytes) -> Asked:
    """Read a request of `/infill`: an editor asks while its user types. Two messages: what is before and after the gap.

    Raises:
        DataError: not such a request.
    """
    request = decode_json(body, _Request)
    typed = request.prompt if isinstance(request.prompt, str) else ""
    around = ((request.input_prefix or "") + typed, request.input_suffix or "")
    return Asked(
        model=request.model or "",
        messages=tuple(Message(role="user", content=text) for text in around),
        options=options_of(request) | NO_TURN,
        background=True,
    )


def fold(draft: Draft, content: bytes) -> None:
    """Take a completion, or a piece of one.

    Raises:
        DataError: of another shape; so are the answers to several prompts at once, which are a list.
    """
    event = decode_json(content, _Event)
    draft.failed = draft.failed or bool(event.error)
    if event.index:
        return
    draft.named(model=event.model)
    draft.texts.append(event.content or "")
    if event.stop:
        draft.counted(prompt=event.tokens_evaluated, answer=event.tokens_predicted)
        draft.truncated = bool(event.truncated)
        draft.stopped(event.stop_type or "", _REASONS)


llama_completion = Dialect(name="llama-server-completion", ask=ask_completion, fold=fold)
llama_infill = Dialect(name="llama-server-infill", ask=ask_infill, fold=fold)
