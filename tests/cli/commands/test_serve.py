"""`laimark-sidecar serve` as a process."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from tests.cli.commands.conftest import Start
from tests.support.homes import opened
from tests.support.rest import call, chat

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.connect import runner_url


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("serve")


def test_it_answers_under_the_stable_name_until_it_is_told_to_stop(
    filled_home: Home, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    url = runner_url(opened(filled_home).config)
    process = start("serve", until=f"serving at {url}/v1")
    names = {model["id"] for model in call(url, "GET", "/v1/models").json()["data"]}
    assert {"base", "me:latest"} <= names
    assert chat(url, "me:latest", "Hello").status == 200
    assert run(["serve"]) == 7  # the port is taken
    assert "hint: " in capsys.readouterr().err
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
