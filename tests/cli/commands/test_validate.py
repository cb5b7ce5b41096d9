"""`laimark-sidecar validate`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.support.homes import IDIOM, only_version, open_sets, opened, reconfigure

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("validate")


def test_an_accepted_version_passes_again_and_a_stricter_gate_refuses_it(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    name = only_version(opened(trained_home)).name
    assert run(["validate", name, "--json"]) == 0
    out, err = capsys.readouterr()
    verdict = json.loads(out)
    assert verdict["accepted"] is True
    assert "validating" in err
    assert IDIOM not in err
    reconfigure(trained_home, "gate", min_gain=50.0)
    assert run(["validate", name]) == 11
    out, err = capsys.readouterr()
    assert out.startswith(f"{name}: rejected\n")
    assert "  ✗ " in out
    assert "  ✓ " in out
    assert (
        f"error: {name} does not pass the gate today\nhint: go back with: laimark-sidecar rollback\n" in err
    )


def test_the_base_cannot_be_validated(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate"]) == 5
    assert "me:latest is the base" in capsys.readouterr().err


def test_a_look_into_the_vault_is_shown_and_in_the_log(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    name = only_version(opened(trained_home)).name
    assert run(["validate", name, "--vault"]) == 5
    assert "the vault is empty" in capsys.readouterr().err
    open_sets(trained_home)
    assert run(["validate", name, "--vault", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["looks_before"]) == (name, 0)
    assert run(["validate", name, "--vault"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{name} on the vault: +")
    assert "looks before this one: 1;" in out
    assert IDIOM not in err
    assert run(["log"]) == 0
    assert capsys.readouterr().out.count(f"looked into the vault for {name}") == 2
