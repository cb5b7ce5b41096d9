"""`laimark-sidecar show`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.support.homes import opened

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home
from laimark_sidecar.registry.version import Version


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("show")


def test_lineage_data_and_evidence_of_a_version_are_shown(
    versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    newer, older = versions
    assert run(["show", "bbbb"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == newer.name
    assert f"  lineage  {newer.name} <- {older.name} <- base\n" in out
    assert "  learned  from 1 examples, seed 7, adapter scale 1\n" in out
    assert "    gain               +0.2500\n" in out
    assert newer.objects["adapter.gguf"][:16] in out
    assert run(["show", "bbbb", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["parent"]) == (newer.name, older.name)


def test_the_one_that_is_served_is_shown_by_default(
    filled_home: Home, versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    opened(filled_home).registry.set_refs({"latest": versions[1].name}, reason="test")
    assert run(["show"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == versions[1].name


def test_the_base_has_nothing_to_show(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show"]) == 5
    assert capsys.readouterr().err == (
        "error: me:latest is the base, which has no adapter\nhint: see the versions: laimark-sidecar list\n"
    )
