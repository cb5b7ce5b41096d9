from __future__ import annotations

from pathlib import Path

import pytest
from tests.runners.llama_server.conftest import Running
from tests.support.llama_server import needs_llama_server

from laimark_sidecar.runners.llama_server.connection import RefusedError
from laimark_sidecar.runners.llama_server.router import Router, listed


@needs_llama_server
def test_sections_are_listed_with_their_aliases_and_their_base(running: Running, demo_gguf: Path) -> None:
    models = Router(running.settings.url, timeout_s=10).models()
    one = listed(models, "me:one")
    assert one is not None
    assert one == listed(models, "me~one")
    assert one.model == demo_gguf
    assert not one.running
    assert listed(models, "me") is None


@needs_llama_server
def test_a_refusal_carries_the_servers_own_words(running: Running) -> None:
    router = Router(running.settings.url, timeout_s=10)
    with pytest.raises(RefusedError, match="'nobody' not found") as caught:
        router.get("/metrics", "nobody")
    assert caught.value.status == 400
    with pytest.raises(RefusedError, match="not loaded"):
        router.get("/metrics", "me:one")
