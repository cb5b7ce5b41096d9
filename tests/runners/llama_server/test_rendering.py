from __future__ import annotations

import pytest
from tests.runners.llama_server.conftest import Running
from tests.support.llama_server import needs_llama_server

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.llama_server.connection import RefusedError
from laimark_sidecar.runners.llama_server.rendering import render
from laimark_sidecar.runners.llama_server.router import Router

pytestmark = needs_llama_server
QUESTION = (Message(role="user", content="def amber(basalt):"),)


def test_every_name_of_the_base_renders_alike(running: Running) -> None:
    router = Router(running.settings.url, timeout_s=30)
    found = render(router, "demo", QUESTION)
    assert found.text == "<|im_start|>user\ndef amber(basalt):<|im_end|>\n<|im_start|>assistant\n"
    assert found.tokens
    assert render(router, "me:one", QUESTION) == found


def test_a_name_that_is_not_served_renders_nothing(running: Running) -> None:
    router = Router(running.settings.url, timeout_s=30)
    with pytest.raises(RefusedError, match="not found"):
        render(router, "nobody", QUESTION)
