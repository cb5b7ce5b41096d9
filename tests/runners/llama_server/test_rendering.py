from __future__ import annotations

from pathlib import Path

import pytest
from tests.runners.llama_server.conftest import Running
from tests.support import llama_server
from tests.support.begin_of_text import wanting_bos
from tests.support.llama_server import needs_llama_server

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.llamacpp.logits import log_softmax
from laimark_sidecar.llamacpp.template import ChatTemplate
from laimark_sidecar.runners.embedded.client import EmbeddedRunner
from laimark_sidecar.runners.embedded.serve import serving
from laimark_sidecar.runners.embedded.settings import ServeSettings
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


@pytest.mark.parametrize("written", [False, True])
def test_a_prompt_has_one_begin_of_text_token_whoever_writes_it(
    demo_base_dir: Path, tmp_path: Path, written: bool
) -> None:
    base = wanting_bos(demo_base_dir, tmp_path, written=written)
    settings = llama_server.single_settings(tmp_path / "server", base)
    embedded = ServeSettings(base_path=base, base_name="demo", port=0, token="t", threads=1, context=512)
    with Base(base, context=512, threads=1) as library:
        vocabulary = library.vocabulary
        template = ChatTemplate(library.template, bos=vocabulary.bos, eos=vocabulary.eos)
        prompt = vocabulary.prompt(template.render(QUESTION))
        best = log_softmax(library.decode(prompt)[0]).max()
    assert prompt.count(prompt[0]) == 1
    with llama_server.single_started(settings), serving(embedded) as url:
        for runner in (llama_server.single_runner(settings), EmbeddedRunner(url, "t")):
            assert runner.render(QUESTION).tokens == tuple(prompt)
            reply = runner.generate("demo", QUESTION, max_tokens=1, logprobs=1)
            assert reply.tokens[0].logprob == pytest.approx(best, abs=1e-2)


def test_a_name_that_is_not_served_renders_nothing(running: Running) -> None:
    router = Router(running.settings.url, timeout_s=30)
    with pytest.raises(RefusedError, match="not found"):
        render(router, "nobody", QUESTION)
