"""`laimark-sidecar runner`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.support.homes import opened, reconfigure
from tests.support.llama_server import needs_llama_server
from tests.support.rest import chat

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.connect import runner_url


@pytest.mark.parametrize("command", ["start", "stop", "status"])
def test_needs_a_home(without_home: Callable[..., None], command: str) -> None:
    without_home("runner", command)


@pytest.mark.parametrize("command", ["start", "stop", "status"])
def test_another_kind_of_runner_is_none_of_its_business(
    filled_home: Home, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run(["runner", command]) == 3
    assert "laimark-sidecar serve" in capsys.readouterr().err


def test_a_missing_program_is_told_with_what_named_it(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    reconfigure(filled_home, "runner", kind="llama-server", binary="/nowhere/llama-server")
    assert run(["runner", "start"]) == 3
    assert "runner.binary: /nowhere/llama-server" in capsys.readouterr().err
    assert run(["serve"]) == 3
    assert "laimark-sidecar runner start" in capsys.readouterr().err


@needs_llama_server
@pytest.mark.timeout(120)
def test_it_is_started_looked_at_and_stopped(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    reconfigure(filled_home, "runner", kind="llama-server")
    url = runner_url(opened(filled_home).config)
    try:
        assert run(["runner", "start"]) == 0
        assert f"serves at {url}/v1" in capsys.readouterr().out
        assert chat(url, "me:latest", "Hello").status == 200
        assert run(["runner", "status", "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown["answers"]
        assert shown["names"] == {"demo": "", "base": "", "me:latest": "", "me:prev": ""}
        assert run(["status"]) == 0
        assert f"llama-server at {url}" in capsys.readouterr().out
    finally:
        assert run(["runner", "stop"]) == 0
    assert capsys.readouterr().out.endswith("stopped\n")
    assert run(["runner", "stop"]) == 0
    assert capsys.readouterr().out == "it was not running\n"
    assert run(["runner", "status"]) == 3
    out = capsys.readouterr().out
    assert out.startswith(
        f"llama-server at {url}: not running\nstart it with: laimark-sidecar runner start\nlog: "
    )
