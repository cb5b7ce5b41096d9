from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.homes import opened
from tests.support.ollama_homes import beside

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.prompts import RenderedPrompts
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.prompts import runner_s_own

QUESTION = (Message(role="user", content="Say hello."),)


def test_only_ollama_is_asked(ready_home: Home, demo_gguf: Path, tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    assert runner_s_own(opened(ready_home), path, [QUESTION]) == ""  # though its runner is down
    with beside(ready_home, demo_gguf, "0.33.0", system="You are terse.") as (workshop, server):
        assert runner_s_own(workshop, path, [QUESTION]) == str(path)
        assert "You are terse." in RenderedPrompts.read(path).render(QUESTION)
        server.kill()
        with pytest.raises(RunnerError):
            runner_s_own(workshop, path, [QUESTION])
