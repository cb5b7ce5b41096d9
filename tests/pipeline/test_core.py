from __future__ import annotations

import json
from pathlib import Path

import pytest

from laimark_sidecar.errors import DataError
from laimark_sidecar.paths import modelfiles
from laimark_sidecar.pipeline.core import load_core

LINE = {"id": "a", "split": "screen", "messages": [{"role": "user", "content": "hi"}], "reference": "hello"}


def test_own_core_set_of_a_base_wins_over_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "core.jsonl").write_text(json.dumps(LINE) + "\n", encoding="utf-8")
    (task,) = load_core(tmp_path)
    assert (task.id, task.split, task.reference) == ("a", "screen", "hello")


def test_base_without_one_is_measured_on_the_shipped_set(tmp_path: Path) -> None:
    assert load_core(tmp_path) == load_core(modelfiles() / "demo_base")


def test_shipped_set_is_enough_to_judge_by_and_never_measures_what_is_replayed() -> None:
    tasks = load_core(modelfiles() / "demo_base")
    train = {task.messages for task in tasks if task.split == "train"}
    screen = {task.messages for task in tasks if task.split == "screen"}
    assert min(len(train), len(screen)) >= 64
    assert not train & screen


def test_malformed_line_is_named_by_file_and_number(tmp_path: Path) -> None:
    (tmp_path / "core.jsonl").write_text(json.dumps(LINE) + '\n{"id": 3}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"core\.jsonl:2"):
        load_core(tmp_path)
