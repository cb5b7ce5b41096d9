"""`laimark-sidecar modelfile`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.homes import only_version, opened

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("modelfile", "latest")


def test_the_file_goes_to_stdout_and_nothing_else(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    name = only_version(opened(trained_home)).name
    assert run(["modelfile", name[-4:], "--base", "llama3.1:8b"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "FROM llama3.1:8b\n" in out
    assert name in out
    assert run(["modelfile", name]) == 3
    assert "--base NAME" in capsys.readouterr().err
