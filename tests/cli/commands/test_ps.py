"""`laimark-sidecar ps`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.support.homes import only_version, opened, reconfigure, served
from tests.support.llama_server import needs_llama_server

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.promote import promote
from laimark_sidecar.pipeline.router import managed_server, start_router


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("ps")


def test_names_are_told_with_what_answers(trained_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    workshop = opened(trained_home)
    name = only_version(workshop).name
    with served(workshop):
        assert run(["promote"]) == 0
        capsys.readouterr()
        assert run(["ps"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("embedded at http://127.0.0.1:")
        assert lines[0].endswith(" requests served")
        assert any(line.split()[:2] == ["me:latest", name] for line in lines)
        assert any(line.split()[:2] == ["me:prev", "base"] for line in lines)
        assert run(["ps", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["names"]["me:latest"] == name


@needs_llama_server
def test_names_that_no_client_can_choose_are_not_listed_and_cp_says_so(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    reconfigure(trained_home, "runner", kind="llama-server", mode="single")
    workshop = opened(trained_home)
    name = only_version(workshop).name
    start_router(workshop)
    try:
        promote(workshop, only_version(workshop))
        assert run(["cp", "base", "work"]) == 0
        out, err = capsys.readouterr()
        assert out == "me:work -> base\n"
        assert "every client gets me:latest, whatever name it asks for, so also under me:work" in err
        assert run(["ps"]) == 0
        assert capsys.readouterr().out.splitlines()[1:] == [
            f"every client gets me:latest -> {name}, whatever name it asks for"
        ]
        assert run(["ps", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["everyone"] == "me:latest"
    finally:
        managed_server(workshop).stop()


def test_a_runner_that_is_down_is_an_error_with_a_hint(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ps"]) == 7
    assert "hint: " in capsys.readouterr().err
