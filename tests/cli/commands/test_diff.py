"""`laimark-sidecar diff`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.support.homes import only_version, opened

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("diff", "base", "latest")


def test_base_and_version_are_shown_beside_each_other(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    version = only_version(opened(trained_home))
    assert run(["diff", "base", version.name, "--ask", "Complete the code:\n```python\nimport\n```"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"a  base\nb  {version.name}\n")
    assert "gain" in out
    assert "blk.0." in out
    assert " of 1 are the same" in out
    assert run(["diff", "base", version.name, "--prompts", "0", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["answers"] == []
    assert len(shown["layers"]) > 10


def test_unknown_version_is_named(trained_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", "base", "me:2020-01-01-0000"]) == 5
    assert "me:2020-01-01-0000" in capsys.readouterr().err
