"""Real children: transformers on the made folder, llama.cpp on the GGUF that it was made from."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.converters import served_models

from laimark_converters.training_base import write_training_base
from laimark_sidecar.errors import MissingExtraError, TrainingError
from laimark_sidecar.training.fidelity import (
    DIFFERENCE_LIMIT,
    KL_LIMIT,
    Fidelity,
    FidelityStoppedError,
    measure_fidelity,
)

RIGHT = Fidelity(tokens=512, kl=1e-6, difference=0.02)


@pytest.fixture(scope="module")
def served(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return served_models.quantise(demo_gguf, tmp_path_factory.mktemp("served") / "base.gguf", "q8_0")


@pytest.fixture(scope="module")
def folder(served: Path) -> Path:
    write_training_base(served, served.with_name("training"))
    return served.with_name("training")


def test_a_made_folder_is_found_faithful(folder: Path, served: Path, tmp_path: Path) -> None:
    found = measure_fidelity(folder, served, tmp_path, python=sys.executable, threads=1)
    assert found.flaw() == ""
    assert found.tokens > 100
    assert 0 < found.kl < 2 * found.noise_kl


def test_a_folder_that_computes_something_else_is_found_out_with_numbers(
    folder: Path, served: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    for file in folder.iterdir():
        os.link(file, wrong / file.name)
    config = json.loads((folder / "config.json").read_text())
    config["rope_parameters"]["rope_theta"] *= 2
    (wrong / "config.json").unlink()
    (wrong / "config.json").write_text(json.dumps(config))
    found = measure_fidelity(wrong, served, tmp_path, python=sys.executable, threads=1)
    assert f"the KL is {found.kl:.2g} nats" in found.flaw()


def test_limits_are_fixed_for_floats_and_follow_the_noise_of_quantised_weights() -> None:
    assert RIGHT.flaw() == ""
    assert replace(RIGHT, kl=KL_LIMIT * 1.1).flaw()
    assert replace(RIGHT, difference=DIFFERENCE_LIMIT * 1.1).flaw()
    noisy = replace(RIGHT, kl=4e-3, difference=0.9, noise_kl=4e-3, noise_difference=0.8)
    assert noisy.flaw() == ""
    assert replace(noisy, kl=0.04).flaw()
    assert replace(noisy, difference=3.0).flaw()
    assert replace(noisy, kl=float("nan")).flaw()
    assert replace(noisy, difference=float("nan")).flaw()


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        ("echo 'error: no room' >&2; exit 9", TrainingError, "failed: no room"),
        ("echo \"ModuleNotFoundError: No module named 'torch'\" >&2; exit 1", MissingExtraError, "'torch'"),
        ("echo 'error: llama.cpp is missing' >&2; exit 12", MissingExtraError, "llama.cpp is missing"),
        ("kill -9 $$", TrainingError, "SIGKILL"),
        ("exit 0", TrainingError, "left no result"),
    ],
)
def test_a_child_that_fails_is_an_expected_error_that_says_why(
    tmp_path: Path, script: str, error: type[Exception], said: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o700)
    with pytest.raises(error, match=said):
        measure_fidelity(tmp_path, tmp_path / "x.gguf", tmp_path / "work", python=str(python))


def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="/nonexistent/python"):
        measure_fidelity(tmp_path, tmp_path, tmp_path / "work", python="/nonexistent/python")


def test_a_stop_ends_the_child_and_leaves_no_result(tmp_path: Path) -> None:
    python, told = tmp_path / "python", tmp_path / "pid"
    python.write_text(f"#!/bin/sh\necho $$ > {told}.new; mv {told}.new {told}; exec sleep 60\n")
    python.chmod(0o700)
    with pytest.raises(FidelityStoppedError):
        measure_fidelity(tmp_path, tmp_path / "x.gguf", tmp_path, python=str(python), should_stop=told.exists)
    assert not (tmp_path / "fidelity.json").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)
