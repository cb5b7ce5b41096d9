"""The real daemon beside an Ollama that somebody uses: it learns when nobody asks, and gives way when somebody does."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.homes import only_version, reconfigure
from tests.support.ollama_homes import BASE, beside
from tests.support.processes import command, started, wait_until

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import control
from laimark_sidecar.pipeline.folder import cycles

QUESTION = (Message(role="user", content="hello"),)


def reason(home: Home) -> str:
    """What the daemon says that it is at."""
    told = control.told(home)
    return told.reason if told else ""


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_daemon_gives_way_to_ollamas_user_and_learns_when_it_is_quiet(
    ready_home: Home, demo_gguf: Path, tmp_path: Path
) -> None:
    reconfigure(ready_home, "promotion", mode="auto")
    reconfigure(ready_home, "training", steps=12)
    log = tmp_path / "run.log"
    with beside(ready_home, demo_gguf, "0.33.0") as (workshop, server):
        server.api.chat(BASE, QUESTION, max_tokens=1)
        with started(command(ready_home, "run"), log):
            wait_until(lambda: "training" in reason(ready_home), "a cycle trains", log=log)
            server.api.chat(BASE, QUESTION, max_tokens=1)
            wait_until(lambda: "busy" in reason(ready_home), "it gives way", log=log)
            (cycle,) = cycles(ready_home.cycles)
            wait_until(lambda: cycle.closed() is not None, "the cycle ends", log=log)
        version = only_version(workshop)
        assert workshop.runner().names()["me:latest"] == version.name
        assert server.pulls() == []
    assert "Traceback" not in log.read_text(encoding="utf-8")
