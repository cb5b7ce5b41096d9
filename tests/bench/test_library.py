from __future__ import annotations

import json
from pathlib import Path

import pytest

from laimark_sidecar.bench.library import library_tasks
from laimark_sidecar.errors import DataError


def test_lines_come_from_files_that_the_base_left_out_and_are_no_core_prompts(demo_base_dir: Path) -> None:
    tasks = library_tasks(demo_base_dir, count=20)
    core = (demo_base_dir / "core.jsonl").read_text(encoding="utf-8").splitlines()
    prompts = {json.loads(line)["messages"][0]["content"] for line in core}
    assert len({task.prompt for task in tasks}) == 20
    assert not prompts & {task.prompt for task in tasks}
    assert library_tasks(demo_base_dir, count=20) == tasks


def test_more_lines_than_there_are_is_an_error(demo_base_dir: Path) -> None:
    with pytest.raises(DataError, match="wanted 1000000"):
        library_tasks(demo_base_dir, count=1_000_000)


def test_a_base_that_does_not_say_what_it_left_out_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"facts\.json"):
        library_tasks(tmp_path, count=1)


def test_a_wide_core_is_of_what_the_base_was_trained_on(demo_base_dir: Path) -> None:
    trained = {task.prompt for task in library_tasks(demo_base_dir, count=300, trained_on=True)}
    left_out = {task.prompt for task in library_tasks(demo_base_dir, count=300)}
    assert len(trained) == 300
    assert not trained & left_out
