from __future__ import annotations

import pytest
from tests.runners.llama_server.conftest import Running
from tests.support.llama_server import needs_llama_server
from tests.support.rest import chat, open_stream

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.runners.llama_server.router import Model, Router, listed
from laimark_sidecar.runners.llama_server.unloading import unload

pytestmark = needs_llama_server


def named(router: Router, name: str) -> Model:
    model = listed(router.models(), name)
    assert model is not None
    return model


def test_the_process_is_gone_when_it_returns(running: Running) -> None:
    router = Router(running.settings.url, timeout_s=30)
    assert chat(running.settings.url, "me:one", "hello").status == 200
    assert named(router, "me:one").running
    unload(router, named(router, "me:one"), patience_s=10, timeout_s=30)
    assert not named(router, "me:one").running
    unload(router, named(router, "me:one"), patience_s=10, timeout_s=30)
    assert chat(running.settings.url, "me:one", "hello").status == 200


def test_one_that_answers_all_the_time_is_left_alone(running: Running) -> None:
    router = Router(running.settings.url, timeout_s=30)
    connection, lines = open_stream(
        running.settings.url, "demo", "go on", max_tokens=900, temperature=5, min_p=0, ignore_eos=True
    )
    next(lines)
    with pytest.raises(RunnerError, match="would cut"):
        unload(router, named(router, "demo"), patience_s=0.05, timeout_s=30)
    assert [line.strip() for line in lines if line.strip()][-1] == b"data: [DONE]"
    connection.close()
