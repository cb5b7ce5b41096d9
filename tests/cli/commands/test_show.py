"""`laimark-sidecar show`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.pipeline.test_guard import tell
from tests.support.homes import only_version, opened

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


def test_counts_are_whole_and_only_differences_have_a_sign(
    filled_home: Home, versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = {
        "heldout_items": 150.0,
        "core_items": 20.0,
        "core": 0.015,
        "gain_low": -0.5,
        "gain_p": 0.01,
        "scale": 1.0,
    }
    measured = replace(versions[1], name="me:2026-11-19-0000", metrics=metrics)
    opened(filled_home).registry.add(measured)
    assert run(["show", measured.name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert dict(line.split() for line in lines if line.split()[0] in metrics) == {
        "heldout_items": "150",
        "core_items": "20",
        "core": "+0.0150",
        "gain_low": "-0.5000",
        "gain_p": "0.0100",
        "scale": "1.0000",
    }


def test_what_fresh_lessons_say_against_a_version_is_shown(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    assert run(["show", version.name]) == 0
    assert "fresh lessons" not in capsys.readouterr().out
    tell(workshop, 1, version.name, [-0.2] * 12)
    assert run(["show", version.name]) == 0
    assert "  since    12 fresh lessons: e-value 1.4, steps back at 20\n" in capsys.readouterr().out


def test_weights_are_shown_with_their_effective_rank_and_intruders(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    name = only_version(opened(trained_home)).name
    assert run(["show", name, "--weights"]) == 0
    assert "effective rank" in capsys.readouterr().out
    assert run(["show", name, "--weights", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"tensor", "norm", "effective_rank", "relative", "intruders"} == set(found["layers"][0])
