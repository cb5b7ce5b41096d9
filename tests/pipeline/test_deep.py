from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.harness import LM_EVAL_PYTHON, LM_EVAL_S, needs_lm_eval, write_task
from tests.support.homes import (
    add_twin,
    answer,
    correction,
    only_version,
    opened,
    reconfigure,
    served,
    silent,
)

from laimark_sidecar.errors import BaseChangedError, LaimarkError, RunnerError, StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.deep import Questions, changed, deep_check, deep_checks, noted, require_answers
from laimark_sidecar.pipeline.serving import serve_settings
from laimark_sidecar.runners.embedded.serve import serving
from laimark_sidecar.validation.harness_difference import Difference

TOKENS = 8
"""What `answer` lets the runner say."""
PROMPTS = [correction(number)[0].messages[0].content for number in range(200, 206)]


def questions(folder: Path) -> Questions:
    return Questions(tasks=("echo",), limit=0, include_path=str(folder), python=LM_EVAL_PYTHON)


@needs_lm_eval
@pytest.mark.timeout(LM_EVAL_S)
def test_scores_are_what_the_runner_answers_and_are_kept_and_on_record(
    trained_home: Home, tmp_path: Path
) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    said_before = {path.name: path.read_bytes() for path in trained_home.journal.iterdir()}
    with served(workshop):
        # Oracle: the runner itself, asked directly. The right answer to each question is the base's own.
        base = [answer(workshop, "base", prompt).text for prompt in PROMPTS]
        tuned = [answer(workshop, version.name, prompt).text for prompt in PROMPTS]
        write_task(tmp_path / "tasks", "echo", list(zip(PROMPTS, base, strict=True)), tokens=TOKENS)
        check = deep_check(workshop, version, questions(tmp_path / "tasks"), report=silent)
    (found,) = check.differences
    equal = [float(one == other) for one, other in zip(base, tuned, strict=True)]
    assert found.base == 1.0
    assert check.scores[version.name][0].scores == tuple(equal)
    assert 0.0 <= found.version < 1.0
    assert found.difference == pytest.approx(sum(equal) / len(equal) - 1.0)
    assert found.stderr is not None
    assert deep_checks(trained_home, version.name) == (check,)
    (path,) = (trained_home.deep / version.name.replace(":", "@")).iterdir()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert [entry.reason for entry in workshop.registry.history()] == [noted(check, digest)]
    assert not any(prompt.splitlines()[-2].encode() in path.read_bytes() for prompt in PROMPTS)
    assert {path.name: path.read_bytes() for path in trained_home.journal.iterdir()} == said_before


def test_a_check_that_fails_leaves_nothing(trained_home: Home, tmp_path: Path) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    wanted = replace(questions(tmp_path), python="/bin/false")
    with served(workshop), pytest.raises(LaimarkError, match="lm-eval failed"):
        deep_check(workshop, version, wanted, report=silent)
    assert deep_checks(trained_home, version.name) == ()
    assert workshop.registry.history() == ()


def test_a_runner_that_is_not_there_is_said(trained_home: Home, tmp_path: Path) -> None:
    workshop = opened(trained_home)
    with pytest.raises(RunnerError, match="does not answer"):
        deep_check(workshop, only_version(workshop), questions(tmp_path), report=silent)


def test_version_of_another_base_is_refused(trained_home: Home, tmp_path: Path) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    other = replace(version, base=replace(version.base, sha256="f" * 64))
    with pytest.raises(BaseChangedError):
        deep_check(workshop, other, questions(tmp_path), report=silent)


def test_a_version_that_is_not_served_at_present_is_said(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    twin = add_twin(workshop, version, name="me:2026-11-23-aaaa")
    reconfigure(trained_home, "runner", kept=1)
    with serving(serve_settings(opened(trained_home))):
        runner = workshop.runner()
        require_answers(runner, twin.name)
        with pytest.raises(RunnerError, match=f"does not serve {version.name}") as caught:
            require_answers(runner, version.name)
    assert "runner.kept" in caught.value.hint


def test_a_damaged_file_is_named(trained_home: Home) -> None:
    folder = trained_home.deep / "me@2026-11-23-aaaa"
    folder.mkdir(parents=True)
    (folder / "2026-11-23T101500Z.json").write_bytes(b"{")
    with pytest.raises(StateError, match=r"101500Z\.json is damaged"):
        deep_checks(trained_home, "me:2026-11-23-aaaa")


def test_a_difference_without_an_error_is_shown_alone() -> None:
    one = Difference(
        task="toy",
        metric="bleu",
        filter="none",
        questions=9,
        base=0.5,
        version=0.25,
        difference=-0.25,
        stderr=None,
        higher_is_better=True,
    )
    assert changed(one) == "-0.250"
    assert changed(replace(one, stderr=0.125)) == "-0.250 ± 0.125"
