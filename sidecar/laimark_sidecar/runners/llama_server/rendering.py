"""The prompt that llama-server itself makes of a client's conversation, as text and as what is decoded."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.llama_server.connection import Connection
from laimark_sidecar.runners.runner import Rendering


class _Prompt(msgspec.Struct):
    prompt: str


class _Tokens(msgspec.Struct):
    tokens: tuple[int, ...]


def render(server: Connection, model: str, messages: Sequence[Message]) -> Rendering:
    """Return a conversation's prompt, starting the name's process where it has none.

    llama-server takes a begin-of-text token off the template's text where its tokenizer adds one, and tokenises what is
    left with it (common/chat.cpp, tools/server/server-common.cpp `tokenize_input_prompts`): so does this.

    Raises:
        RefusedError: the name is unknown, its process cannot be started, or its template refuses the conversation.
        RunnerError: no server answers in time.
    """
    turns = [{"role": message.role, "content": message.content} for message in messages]
    question = {"model": model, "messages": turns}
    text = server.read(server.call("POST", "/apply-template", question), _Prompt).prompt
    asked = {"model": model, "content": text, "add_special": True, "parse_special": True}
    return Rendering(text=text, tokens=server.read(server.call("POST", "/tokenize", asked), _Tokens).tokens)
