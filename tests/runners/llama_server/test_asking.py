from __future__ import annotations

import pytest
from tests.runners.llama_server.conftest import Running
from tests.support.llama_server import needs_llama_server

from laimark_sidecar.errors import DataError, RunnerError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.llama_server.asking import ask
from laimark_sidecar.runners.llama_server.connection import RefusedError
from laimark_sidecar.runners.llama_server.router import Router

pytestmark = needs_llama_server
QUESTION = (Message(role="user", content="def amber(basalt):"),)


def test_an_answer_is_cut_where_it_was_told_and_has_ordered_alternatives(running: Running) -> None:
    router = Router(running.settings.url, timeout_s=30)
    reply = ask(router, "me:one", QUESTION, max_tokens=3, logprobs=20)
    assert reply.finish == "length"
    assert len(reply.tokens) == 3
    for token in reply.tokens:
        assert len(token.top) == 20
        assert token.top[0] == (token.token, token.logprob)
        assert [logprob for _, logprob in token.top] == sorted((p for _, p in token.top), reverse=True)
    assert ask(router, "me:one", QUESTION, max_tokens=3, logprobs=0).tokens == ()


def test_the_end_of_an_answer_is_a_token_with_a_name(running: Running) -> None:
    # The fingerprint of a version counts it, and the embedded runner names it too.
    router = Router(running.settings.url, timeout_s=30)
    questions = [
        f"Complete the code:\n```python\ndef {name}(self):\n```" for name in ("amber", "basalt", "cedar")
    ]
    replies = [
        ask(router, "demo", (Message(role="user", content=text),), max_tokens=400, logprobs=1)
        for text in questions
    ]
    ended = [reply for reply in replies if reply.finish == "stop"]
    assert ended
    for reply in ended:
        assert reply.tokens[-1].token.startswith("<")
        assert reply.text == "".join(token.token for token in reply.tokens[:-1])


def test_what_the_server_or_the_template_refuses_is_told(running: Running) -> None:
    router = Router(running.settings.url, timeout_s=30)
    with pytest.raises(RefusedError, match="not found"):
        ask(router, "nobody", QUESTION, max_tokens=1, logprobs=0)
    with pytest.raises((DataError, RefusedError)):
        ask(router, "demo", QUESTION * 4000, max_tokens=1, logprobs=0)


def test_bytes_that_are_none_are_told(running: Running) -> None:
    class Wrong(Router):
        """A server whose answers hold what no byte is."""

        def call(self, method: str, path: str, body: object = None) -> bytes:
            return super().call(method, path, body).replace(b'"bytes":[', b'"bytes":[256,')

    with pytest.raises(RunnerError, match="does not answer like llama-server"):
        ask(Wrong(running.settings.url, timeout_s=30), "me:one", QUESTION, max_tokens=3, logprobs=2)
