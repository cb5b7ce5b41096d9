"""`laimark-sidecar check`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.support.homes import opened

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home
from laimark_sidecar.registry.version import Version


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("check")


def test_a_sound_home_has_nothing_wrong(
    versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check"]) == 0
    assert capsys.readouterr().out == "✓ nothing wrong\n"
    assert run(["check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_flipped_bit_is_found_and_ends_with_5(
    filled_home: Home, versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    path = opened(filled_home).registry.objects.path(versions[0].objects["adapter.gguf"])
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert run(["check"]) == 5
    out, err = capsys.readouterr()
    assert out.startswith("✗ ")
    assert "    fix: " in out
    assert err.startswith(f"error: 1 errors in {filled_home.root}\nhint: ")
    assert run(["check", "--json"]) == 5
    (problem,) = json.loads(capsys.readouterr().out)
    assert problem["severity"] == "error"


def test_repair_writes_lost_refs_anew_from_the_reflog(
    filled_home: Home, versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    registry = opened(filled_home).registry
    registry.set_refs({"latest": versions[0].name}, reason="test")
    registry.refs_path.unlink()
    assert run(["check"]) == 5
    assert run(["check", "--repair"]) == 0
    assert registry.refs()["latest"] == versions[0].name
