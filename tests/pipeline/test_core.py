from __future__ import annotations

import json
from pathlib import Path

import pytest

from laimark_sidecar.errors import DataError
from laimark_sidecar.paths import modelfiles
from laimark_sidecar.pipeline.base import ServedBase
from laimark_sidecar.pipeline.core import core_digest, core_file, load_core, read_core, write_core
from laimark_sidecar.registry.version import BaseIdentity

LINE = {"id": "a", "split": "screen", "messages": [{"role": "user", "content": "hi"}], "reference": "hello"}


@pytest.fixture
def base(tmp_path: Path) -> ServedBase:
    identity = BaseIdentity(
        sha256="0" * 64, architecture="llama", template_sha256="0" * 64, tokenizer_sha256="0" * 64
    )
    for name in ("hf", "cache"):
        (tmp_path / name).mkdir()
    return ServedBase(
        hf_dir=tmp_path / "hf", gguf=tmp_path / "a.gguf", identity=identity, cache=tmp_path / "cache"
    )


def put(folder: Path, **changes: str) -> None:
    (folder / "core.jsonl").write_text(json.dumps(LINE | changes) + "\n", encoding="utf-8")


def test_a_core_set_beside_the_training_base_wins_over_the_shipped_one(base: ServedBase) -> None:
    put(base.hf_dir)
    (task,) = load_core(base)
    assert (task.id, task.split, task.reference) == ("a", "screen", "hello")


def test_one_that_was_built_for_the_base_wins_over_all(base: ServedBase) -> None:
    put(base.hf_dir)
    before = core_digest(base)
    put(base.cache, id="built")
    assert [task.id for task in load_core(base)] == ["built"]
    assert core_file(base) == (base.cache / "core.jsonl", "built")
    assert core_digest(base) != before


def test_base_without_one_is_measured_on_the_shipped_set(base: ServedBase) -> None:
    assert load_core(base) == read_core(modelfiles() / "demo_base" / "core.jsonl")
    assert core_file(base)[1] == "demo"


def test_shipped_set_is_enough_to_judge_by_and_never_measures_what_is_replayed(base: ServedBase) -> None:
    tasks = load_core(base)
    train = {task.messages for task in tasks if task.split == "train"}
    screen = {task.messages for task in tasks if task.split == "screen"}
    assert min(len(train), len(screen)) >= 64
    assert not train & screen


def test_what_is_written_is_read(base: ServedBase) -> None:
    tasks = load_core(base)[:3]
    write_core(base.cache / "core.jsonl", tasks)
    assert load_core(base) == tasks


def test_malformed_line_is_named_by_file_and_number(base: ServedBase) -> None:
    (base.hf_dir / "core.jsonl").write_text(json.dumps(LINE) + '\n{"id": 3}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"core\.jsonl:2"):
        load_core(base)
