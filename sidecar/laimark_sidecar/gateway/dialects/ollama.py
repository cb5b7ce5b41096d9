"""Ollama's own chat and generate, one JSON object a line.

Source: ollama `api/types.go`, `server/routes.go`, `server/prompt.go`. Whether the prompt was cut is known in one case
only: the request names `num_ctx` and the server counts as many tokens. Ollama drops whole old messages to make a chat
fit, and says nothing of it; without `num_ctx` the limit is the server's.

llama-server answers `/api/chat` in OpenAI's words, so that path is read in either.
"""

from __future__ import annotations

from typing import Any

import msgspec

from laimark_sidecar.decoding import decode_json
from laimark_sidecar.gateway.dialects import openai_chat
from laimark_sidecar.gateway.dialects.dialect import NO_TURN, Asked, Dialect
from laimark_sidecar.gateway.dialects.draft import Count, Draft
from laimark_sidecar.gateway.dialects.parts import Images, json_text, read
from laimark_sidecar.gateway.dialects.sampling import Sampled, is_probe, options_of
from laimark_sidecar.gateway.dialects.turns import Calls
from laimark_sidecar.journal.exchange import Finish, Message

_REASONS: dict[str, Finish] = {"stop": "stop", "length": "length"}


class _Generate(Sampled):
    model: str | None = None
    prompt: str | None = None
    system: str | None = None
    suffix: str | None = None
    template: str | None = None
    raw: bool | None = None
    context: object = None
    images: Images = None
    options: dict[str, Any] | None = None


class _Said(msgspec.Struct):
    content: str | None = None
    thinking: str | None = None
    tool_calls: Calls = None


class _Line(msgspec.Struct):
    model: str | None = None
    message: _Said | None = None
    response: str | None = None
    thinking: str | None = None
    done: bool | None = None
    done_reason: str | None = None
    prompt_eval_count: Count | None = None
    eval_count: Count | None = None
    choices: object = None
    error: object = None


def ask_generate(body: bytes) -> Asked:
    """Read a request of `/api/generate`.

    A prompt that bypasses the model's template, or goes on from tokens of earlier ones (`context`), is no turn.

    Raises:
        DataError: not such a request.
    """
    request = decode_json(body, _Generate)
    options = options_of(request, request.options)
    messages = []
    if request.prompt or request.images:
        content = read(request.prompt, request.images)
        messages.append(
            Message(role="user", content=content.text, attachments=content.attachments, parts=content.parts)
        )
        if request.system:
            messages.insert(0, Message(role="system", content=request.system))
    bare = bool(request.raw or request.template or request.context or request.suffix)
    return Asked(
        model=request.model or "",
        messages=tuple(messages),
        options=options | NO_TURN if bare else options,
        background=bool(request.suffix) or is_probe(options),
    )


def fold(draft: Draft, content: bytes) -> None:
    """Take a line of a chat or of a generated answer.

    Raises:
        DataError: of another shape.
    """
    line = decode_json(content, _Line)
    if line.choices is not None:
        openai_chat.fold(draft, content)
        return
    draft.named(model=line.model)
    draft.failed = draft.failed or bool(line.error)
    draft.texts.append(line.response or "")
    draft.thoughts.append(line.thinking or "")
    if line.message is not None:
        _take(draft, line.message)
    draft.counted(prompt=line.prompt_eval_count, answer=line.eval_count)
    if line.done:
        draft.stopped(line.done_reason or "stop", _REASONS)


def _take(draft: Draft, said: _Said) -> None:
    draft.texts.append(said.content or "")
    draft.thoughts.append(said.thinking or "")
    for call in said.tool_calls or ():
        if call.function is not None:
            draft.call(
                len(
                    draft.calls
                ),  # a call comes whole; its index, where there is one, begins again with every line
                name=call.function.name or "",
                arguments=json_text(call.function.arguments),
            )


ollama_chat = Dialect(name="ollama-chat", ask=openai_chat.ask, fold=fold)
ollama_generate = Dialect(name="ollama-generate", ask=ask_generate, fold=fold)
