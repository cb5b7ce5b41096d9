"""Asks a name, with a prompt that is rendered here: the date stands still, and no text is parsed away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.template import REFERENCE_CLOCK, ChatTemplate
from laimark_sidecar.runners.llama_server.connection import Connection
from laimark_sidecar.runners.runner import Reply, TokenLogprob


class _Props(msgspec.Struct):
    chat_template: str
    bos_token: str = ""
    eos_token: str = ""


class _Tokens(msgspec.Struct):
    tokens: list[int]


class _Text(msgspec.Struct):
    content: str


class _Entry(msgspec.Struct):
    id: int
    bytes: list[Annotated[int, msgspec.Meta(ge=0, le=255)]]
    logprob: float | None


class _Scored(_Entry):
    top_logprobs: list[_Entry]


class _Completion(msgspec.Struct):
    content: str
    stop_type: Literal["none", "eos", "word", "limit"]
    completion_probabilities: list[_Scored] = []


def ask(
    server: Connection,
    model: str,
    messages: Sequence[Message],
    *,
    max_tokens: int,
    logprobs: int,
    scales: Mapping[int, float] | None = None,
) -> Reply:
    """Answer greedily, starting the name's process where it has none. Blocks until the answer is whole.

    Nothing of an earlier prompt is reused (`cache_prompt`): the same question has the same answer to the last bit.

    Args:
        server: in router mode, or in single mode, where the name changes nothing.
        model: the name.
        messages: the conversation.
        max_tokens: stop after this many.
        logprobs: alternatives a token; 0 for none.
        scales: of the adapters by their position, where the server has several.

    Raises:
        RefusedError: the name is unknown, its process cannot be started, or it cannot answer.
        RunnerError: no server answers in time, or the model computes numbers that are not finite.
        DataError: the model's chat template refuses the conversation.
    """
    props = server.read(server.call("GET", f"/props?model={quote(model, safe='')}"), _Props)
    template = ChatTemplate(
        props.chat_template, bos=props.bos_token, eos=props.eos_token, clock=REFERENCE_CLOCK
    )
    tokens = _prompt(server, model, template.render(messages), bos=props.bos_token)
    question: dict[str, object] = {
        "model": model,
        "prompt": tokens,
        "n_predict": max_tokens,
        "temperature": 0,
        "n_probs": logprobs,
        "cache_prompt": False,
    }
    if scales:
        question["lora"] = [{"id": position, "scale": scale} for position, scale in scales.items()]
    answer = server.read(server.call("POST", "/completion", question), _Completion)
    texts = _Texts(server, model)
    return Reply(
        text=answer.content,
        finish="length" if answer.stop_type == "limit" else "stop",
        tokens=tuple(_scored(texts, token) for token in answer.completion_probabilities),
    )


def _prompt(server: Connection, model: str, text: str, *, bos: str) -> list[int]:
    """Return a prompt's tokens, the begin-of-text token once where template and tokenizer both write it."""
    asked = {"model": model, "content": text, "add_special": True, "parse_special": True}
    tokens = server.read(server.call("POST", "/tokenize", asked), _Tokens).tokens
    doubled = bos and text.startswith(bos) and len(tokens) > 1 and tokens[0] == tokens[1]
    return tokens[1:] if doubled else tokens


class _Texts:
    """The texts of tokens as the other runners tell them: control tokens by name, broken code points replaced."""

    def __init__(self, server: Connection, model: str) -> None:
        self.model = model
        self._server = server
        self._named: dict[int, str] = {}

    def of(self, entry: _Entry) -> str:
        if entry.bytes:
            return bytes(entry.bytes).decode("utf-8", "replace")
        # An answer holds no control tokens, so their text is empty there: only this call tells their names.
        if entry.id not in self._named:
            asked = {"model": self.model, "tokens": [entry.id]}
            told = self._server.read(self._server.call("POST", "/detokenize", asked), _Text)
            self._named[entry.id] = told.content
        return self._named[entry.id]


def _scored(texts: _Texts, token: _Scored) -> TokenLogprob:
    top = tuple((texts.of(other), _finite(texts.model, other.logprob)) for other in token.top_logprobs)
    return TokenLogprob(token=texts.of(token), logprob=_finite(texts.model, token.logprob), top=top)


def _finite(model: str, logprob: float | None) -> float:
    # JSON has no NaN: llama-server writes null.
    if logprob is None:
        raise RunnerError(f"{model}: the model computes numbers that are not finite")
    return logprob
