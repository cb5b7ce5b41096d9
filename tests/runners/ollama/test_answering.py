from __future__ import annotations

from pathlib import Path

import pytest
from tests.runners.ollama.conftest import BASE, QUESTION, Starter, expected

from laimark_sidecar.runners.ollama.answering import answer
from laimark_sidecar.runners.ollama.connection import OllamaRefusedError


def test_answer_is_what_llama_cpp_says_with_log_probs_when_asked_for(start: Starter, demo_gguf: Path) -> None:
    api = start().api
    reply = answer(api, BASE, QUESTION, max_tokens=8, logprobs=5)
    assert reply.text == expected(demo_gguf)
    assert reply.finish == "length"
    assert [len(token.top) for token in reply.tokens] == [5] * 8
    assert [token.top[0] for token in reply.tokens] == [(one.token, one.logprob) for one in reply.tokens]
    plain = answer(api, BASE, QUESTION, max_tokens=8)
    assert (plain.text, plain.tokens) == (reply.text, ())


def test_thoughts_are_answered_whole_though_a_chat_takes_them_out(start: Starter, demo_gguf: Path) -> None:
    api = start().api
    api.create("thinker", {"from": BASE, "template": "{{ .Prompt }}<think>{{ .Thinking }}</think>"})
    chat = api.chat("thinker", QUESTION, max_tokens=8, logprobs=1)
    assert (chat.message.content, len(chat.logprobs)) == ("", 7), "what a chat makes of it"
    reply = answer(api, "thinker", QUESTION, max_tokens=8, logprobs=1)
    assert (reply.text, len(reply.tokens)) == (expected(demo_gguf), 8)


def test_name_with_a_renderer_of_ollamas_own_is_asked_in_a_chat(start: Starter, demo_gguf: Path) -> None:
    server = start()
    server.api.create("rendered", {"from": BASE, "renderer": "gemma4"})
    server.fail_next("/api/generate", "500")
    reply = answer(server.api, "rendered", QUESTION, max_tokens=8, logprobs=1)
    assert (reply.text, len(reply.tokens)) == (expected(demo_gguf), 8)


def test_unknown_name_is_refused_as_such(start: Starter) -> None:
    with pytest.raises(OllamaRefusedError, match="'nobody' not found") as caught:
        answer(start().api, "nobody", QUESTION, max_tokens=1)
    assert caught.value.status == 404
