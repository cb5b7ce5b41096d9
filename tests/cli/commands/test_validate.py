"""`laimark-sidecar validate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.support.harness import LM_EVAL_PYTHON, LM_EVAL_S, needs_lm_eval, write_task
from tests.support.homes import IDIOM, only_version, open_sets, opened, reconfigure, served

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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--vault", "--deep"], "two different questions"),
        (["--tasks", "gsm8k"], "--tasks is an option of --deep"),
        (["--limit", "0"], "--limit is an option of --deep"),
        (["--vault", "--download"], "--download is an option of --deep"),
        (["--deep", "--limit", "-1"], "--limit"),
        (["--deep", "--include-path", "/no/folder"], "/no/folder"),
    ],
)
def test_options_that_say_nothing_together_are_refused(
    filled_home: Home, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["validate", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.skipif(find_spec("lm_eval") is not None, reason="lm_eval is installed")
def test_the_deep_check_says_how_to_install_what_it_needs(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop = opened(trained_home)
    with served(workshop):
        assert run(["validate", only_version(workshop).name, "--deep"]) == 12
    err = capsys.readouterr().err
    assert "has no lm_eval" in err
    assert 'hint: pip install "laimark-sidecar[deep]"' in err


@needs_lm_eval
@pytest.mark.timeout(LM_EVAL_S)
def test_a_deep_check_is_shown_and_in_the_log_and_with_the_version(
    trained_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop = opened(trained_home)
    name = only_version(workshop).name
    write_task(tmp_path / "tasks", "toy", [("Say it.", "it")] * 3, tokens=2)
    own = [
        "--tasks",
        "toy",
        "--limit",
        "2",
        "--include-path",
        str(tmp_path / "tasks"),
        "--python",
        LM_EVAL_PYTHON,
    ]
    with served(workshop):
        assert run(["validate", name, "--deep", *own]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{name} and {workshop.config.base.name} by lm-eval ")
    assert "exact_match (none)" in out
    assert f"asking {name}" in err
    assert run(["log"]) == 0
    assert f"deep check of {name}: toy exact_match +0.000 ± 0.000 (sha256 " in capsys.readouterr().out
    assert run(["show", name]) == 0
    assert "toy exact_match (none): 0.000 to 0.000, +0.000 ± 0.000, n=2" in capsys.readouterr().out
