"""The real lm-eval against a real runner is in tests/pipeline/test_deep.py."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.support.harness import LM_EVAL_PYTHON, LM_EVAL_S, needs_lm_eval, write_choice_task, write_task

from laimark_sidecar.errors import DataError, LaimarkError, MissingExtraError, RunnerError
from laimark_sidecar.validation.harness import (
    Failure,
    HarnessJob,
    environment,
    failed,
    last_lines,
    run_harness,
)

NOBODY = "http://127.0.0.1:9/v1/chat/completions"


def job(task: str, folder: Path) -> HarnessJob:
    return HarnessJob(
        names=("base",), url=NOBODY, headers={}, tasks=(task,), include_path=str(folder), limit=2
    )


def unreported(step: str, share: float) -> None:
    assert 0.0 <= share <= 1.0, step


@pytest.mark.skipif(find_spec("lm_eval") is not None, reason="lm_eval is installed")
def test_without_lm_eval_the_command_that_installs_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match="has no lm_eval") as caught:
        run_harness(job("toy", tmp_path), tmp_path, on_progress=unreported)
    assert caught.value.hint == 'pip install "laimark-sidecar[deep]"'


def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot start '/no/python'") as caught:
        run_harness(job("toy", tmp_path), tmp_path, python="/no/python", on_progress=unreported)
    assert "--python" in caught.value.hint


def test_a_program_that_is_no_python_is_an_error_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(LaimarkError, match="lm-eval failed: "):
        run_harness(job("toy", tmp_path), tmp_path, python="/bin/false", on_progress=unreported)


@needs_lm_eval
@pytest.mark.timeout(LM_EVAL_S)
def test_a_task_that_asks_for_likelihoods_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    write_choice_task(tmp_path / "tasks", "choice", [("Is it?", "pass")] * 2)
    with pytest.raises(RunnerError, match=r"^choice: asks how likely") as caught:
        run_harness(
            job("choice", tmp_path / "tasks"), tmp_path, python=LM_EVAL_PYTHON, on_progress=unreported
        )
    assert "generate_until" in caught.value.hint


@needs_lm_eval
@pytest.mark.timeout(LM_EVAL_S)
def test_data_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    write_task(tmp_path / "tasks", "toy", [("1", "2")] * 2, tokens=4)
    task = tmp_path / "tasks" / "toy.yaml"
    text = task.read_text(encoding="utf-8").replace("dataset_path: json", "dataset_path: somebody/benchmark")
    task.write_text(
        "\n".join(line for line in text.splitlines() if "data_" not in line and "dataset_kw" not in line)
    )
    with pytest.raises(MissingExtraError, match=r"not on this machine: .*somebody/benchmark") as caught:
        run_harness(job("toy", tmp_path / "tasks"), tmp_path, python=LM_EVAL_PYTHON, on_progress=unreported)
    for word in ("--download", "HF_HOME", "HF_DATASETS_OFFLINE", "--include-path"):
        assert word in caught.value.hint


@needs_lm_eval
@pytest.mark.timeout(LM_EVAL_S)
def test_a_runner_that_is_not_there_is_no_traceback(tmp_path: Path) -> None:
    write_task(tmp_path / "tasks", "toy", [("1", "2")] * 2, tokens=4)
    with pytest.raises(RunnerError, match="base: "):
        run_harness(job("toy", tmp_path / "tasks"), tmp_path, python=LM_EVAL_PYTHON, on_progress=unreported)


def test_the_child_is_offline_and_holds_no_key_unless_it_may_download() -> None:
    inherited = {
        "PATH": "/bin",
        "OPENAI_API_KEY": "sk",
        "HF_TOKEN": "hf",
        "HF_HOME": "/data",
        "no_proxy": "a",
    }
    offline = environment(inherited, "http://127.0.0.1:11440/v1", download=False)
    assert (offline["HF_HUB_OFFLINE"], offline["HF_DATASETS_OFFLINE"], offline["HF_HOME"]) == (
        "1",
        "1",
        "/data",
    )
    assert "OPENAI_API_KEY" not in offline
    assert "HF_TOKEN" not in offline
    assert offline["NO_PROXY"] == offline["no_proxy"] == "a,127.0.0.1"
    online = environment(inherited, "http://127.0.0.1:11440/v1", download=True)
    assert "HF_HUB_OFFLINE" not in online
    assert online["HF_TOKEN"] == "hf"
    assert "OPENAI_API_KEY" not in online


def test_every_failure_is_an_error_with_a_hint() -> None:
    errors = {
        kind: failed(Failure(kind=kind, message="it"), python=sys.executable, download=False)
        for kind in ("missing", "task", "data", "likelihood", "refused")
    }
    assert all("it" in str(error) and error.hint for error in errors.values())
    assert [error.exit_code for error in errors.values()] == [12, 4, 12, 7, 7]
    elsewhere = failed(Failure(kind="missing", message="it"), python="/there/python", download=False)
    assert elsewhere.hint == '/there/python -m pip install "lm_eval[api]"'


def test_the_end_of_a_log_is_one_line() -> None:
    assert last_lines(b"".join(b"line %d\n\n" % number for number in range(9))) == (
        "line 4 | line 5 | line 6 | line 7 | line 8"
    )
    assert last_lines(b"\n") == "it said nothing"
